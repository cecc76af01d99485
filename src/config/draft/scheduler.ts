// SPDX-License-Identifier: Apache-2.0
/** The scheduler of a service: one of the kernel's, one that comes with vsnat, or a module; and the options of the latter two. */
import { dirname } from 'node:path';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { said } from '../../errors.js';
import {
  noLoad,
  type CustomScheduler,
  type SchedulerProgram,
  type SchedulerServer,
} from '../../model/custom-scheduler.js';
import type { Protocol } from '../../model/endpoint.js';
import type { SchedulerName, VirtualService } from '../../model/service.js';
import {
  isSchedulerName,
  planProblem,
  schedulerNames,
  shippedNames,
  shippedScheduler,
} from '../../scheduler/index.js';
import { isMap } from '../defaults.js';
import type { Field } from '../field.js';
import type { FindScheduler, LoadedScheduler } from '../schedulers.js';
import { didYouMean } from '../suggest.js';

/** What of its service a scheduler is tried with. */
export interface Trial {
  readonly service: string;
  readonly protocols: readonly Protocol[];
  readonly servers: readonly SchedulerServer[];
}

/** undefined after a complaint. */
export function readScheduler(
  service: Field,
  find: FindScheduler,
  trial: Trial,
): VirtualService['scheduler'] | undefined {
  const at = service.get('scheduler');
  const text = at.text();
  if (text === undefined) return undefined;
  const options = service.get('scheduler_options');
  if (isSchedulerName(text)) {
    refuseOptionsOf(text, options);
    return text;
  }
  const loaded = findProgram(text, at, find);
  if (loaded === undefined) return undefined;
  const { scheduler, version, isTrusted } = loaded;
  const given = isMap(options.value) ? { ...options.value } : {};
  const isSound =
    isTrusted === true ||
    (hasNameOfItsOwn(scheduler, text, at) &&
      optionsFit(scheduler, given, at, options) &&
      plans(scheduler, given, trial, at));
  return isSound ? { reference: text, version, options: given, scheduler } : undefined;
}

function refuseOptionsOf(name: SchedulerName, options: Field): void {
  if (!isMap(options.value) || Object.keys(options.value).length === 0) return;
  options.refuseKey({ must: `be left out with ${name}`, hint: 'it has none' });
}

/** As a module is named: with a dot or a slash, or by code with a colon. */
const isModule = (text: string): boolean => /[./:]/.test(text);

function findProgram(text: string, at: Field, find: FindScheduler): LoadedScheduler | undefined {
  const shipped = shippedScheduler(text);
  if (shipped !== undefined) return { scheduler: shipped, version: '' };
  if (!isModule(text)) {
    const names = [...schedulerNames, ...shippedNames];
    at.refuse({
      must: `be one of ${names.join(', ')} or a module like ./my-scheduler.js`,
      hint: didYouMean(text, names) ?? `write ./${text}.js for a file beside this one`,
    });
    return undefined;
  }
  const found = find(text, dirname(at.problems.positions.file));
  if (found.ok) return found.value;
  at.refuse(found);
  return undefined;
}

function hasNameOfItsOwn({ name }: CustomScheduler, text: string, at: Field): boolean {
  const isTaken = isSchedulerName(name) || (shippedScheduler(name) !== undefined && name !== text);
  if (isTaken)
    at.refuse({ must: `have a name of its own, and "${name}" is vsnat's`, hint: 'rename it in the module' });
  return !isTaken;
}

function optionsFit(
  scheduler: CustomScheduler,
  given: SchedulerProgram['options'],
  at: Field,
  options: Field,
): boolean {
  if (scheduler.options === undefined) {
    const isEmpty = Object.keys(given).length === 0;
    if (!isEmpty) options.refuseKey({ must: `be left out with ${scheduler.name}`, hint: 'it has none' });
    return isEmpty;
  }
  const ajv = new Ajv2020({ allErrors: true, strict: false });
  try {
    const validate = ajv.compile(scheduler.options);
    if (validate(given)) return true;
    for (const error of validate.errors ?? []) complain(error, options);
  } catch (error) {
    at.refuse({
      must: 'have options that are a JSON Schema',
      hint: said(error),
    });
  }
  return false;
}

function complain(
  { instancePath, keyword, params, message = 'fit the schema' }: ErrorObject,
  options: Field,
): void {
  const steps = instancePath
    .split('/')
    .slice(1)
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
  const at = steps.reduce((field, step) => field.get(step), options);
  if (keyword === 'additionalProperties') {
    const { additionalProperty } = params as { readonly additionalProperty: string };
    at.get(additionalProperty).refuseKey({ must: 'be an option of this scheduler' });
    return;
  }
  const allowed = (params as { readonly allowedValues?: readonly unknown[] }).allowedValues;
  at.refuse({
    must: allowed === undefined ? message.replace(/^must /, '') : `be one of ${allowed.join(', ')}`,
  });
}

/** Once, as if nobody had connected yet: what fails here would fail in the daemon. */
function plans(
  scheduler: CustomScheduler,
  options: SchedulerProgram['options'],
  { service, protocols, servers }: Trial,
  at: Field,
): boolean {
  try {
    const loads = servers.map(() => noLoad);
    const plan: unknown = scheduler.plan(servers, loads, {
      service,
      protocols,
      options,
      nowMs: 0,
      memory: new Map(),
    });
    const problem = planProblem(plan, servers.length);
    if (problem !== undefined) at.refuse({ must: 'make a valid plan for these servers', hint: problem });
    return problem === undefined;
  } catch (error) {
    at.refuse({
      must: 'make a plan for these servers',
      hint: said(error),
    });
    return false;
  }
}
