// SPDX-License-Identifier: Apache-2.0
/**
 * What a file with a model would be refused for. A change at run time goes through here, so it must not cost as much as
 * loading: of ten thousand services one has changed, and the others can be in its way only through a name, a place, a
 * mark or an address that they have in common. Those are checked with it, and nobody else.
 */
import { formatListen } from '../model/endpoint.js';
import type { Model } from '../model/model.js';
import type { VirtualService } from '../model/service.js';
import { checkSources } from '../model/through-vip.js';
import { checkBetweenKeys, maxima } from './checks.js';
import { documentOf } from './document.js';
import { draft } from './draft.js';
import { Field } from './field.js';
import { filesThere } from './files.js';
import { Positions } from './positions.js';
import { Problems, type Problem } from './problem.js';
import { configSchema } from './schema.js';
import { runningSchedulers } from './schedulers.js';
import { checkShape } from './shape.js';

/**
 * None when a file would be taken. Lines and columns mean nothing. `before` is a model without problems that this one
 * was made from, its services left as the objects they are unless they changed.
 */
export function problemsOf(model: Model, before?: Model): readonly Problem[] {
  if (before === undefined || before.marks !== model.marks || isTooMuch(model)) return checkAll(model);
  const known = new Set(before.services);
  const changed = model.services.filter((service) => !known.has(service));
  const isInTheWay = neighbourhood(changed);
  const numbers = [...model.services.keys()].filter((index) => {
    const service = model.services[index];
    return service !== undefined && (!known.has(service) || isInTheWay(service));
  });
  const services = numbers.flatMap((index) => model.services[index] ?? []);
  const inModel = (text: string): string =>
    text.replace(
      /\bservices\[(\d+)\]/g,
      (_, index: string) => `services[${numbers[Number(index)] ?? index}]`,
    );
  return checkAll({ ...model, services }).map((problem) => ({
    ...problem,
    path: inModel(problem.path),
    message: inModel(problem.message),
  }));
}

function checkAll(model: Model): readonly Problem[] {
  const problems = new Problems(new Positions('running configuration', ''));
  const document = documentOf(model);
  checkShape(configSchema, document, problems);
  checkBetweenKeys(
    draft(Field.root(document, problems, configSchema), [], filesThere, runningSchedulers(model)),
  );
  return problems.list;
}

/** Then it matters which one is too many. */
function isTooMuch({ services }: Model): boolean {
  const servers = services.reduce((sum, it) => sum + it.servers.length + it.sorryServers.length, 0);
  return services.length > maxima.services || servers > maxima.servers;
}

/** Whether a service has anything in common with one of these that no two services may. */
function neighbourhood(changed: readonly VirtualService[]): (service: VirtualService) => boolean {
  const names = new Set(changed.map(({ name }) => name));
  const marks = new Set(changed.map(({ mark }) => mark).filter((mark) => mark !== null));
  const places = changed.flatMap(({ listen }) => listen);
  const listens = new Set(places.map(formatListen));
  const vips = new Set(places.map(({ address }) => address));
  const addresses = new Set(changed.flatMap(serversOf).map(({ address }) => address));
  const sources = new Set<string>(checkSources(changed));
  return (service) =>
    names.has(service.name) ||
    checkSources([service]).some((address) => addresses.has(address) || vips.has(address)) ||
    (sources.size > 0 &&
      [...service.listen, ...serversOf(service)].some(({ address }) => sources.has(address))) ||
    (service.mark !== null && marks.has(service.mark)) ||
    service.listen.some(
      (place) =>
        addresses.has(place.address) || (vips.has(place.address) && listens.has(formatListen(place))),
    ) ||
    serversOf(service).some(({ address }) => vips.has(address));
}

const serversOf = ({ servers, sorryServers }: VirtualService) =>
  sorryServers.length === 0 ? servers : [...servers, ...sorryServers];
