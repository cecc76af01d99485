// SPDX-License-Identifier: Apache-2.0
/**
 * The library as its declarations show it: what is exported is a promise, so the list is written down here; every export
 * says what it is; and no signature names a type that a user cannot import.
 */
import { join } from 'node:path';

import ts from 'typescript';
import { beforeAll, describe, expect, it } from 'vitest';

import { programOver } from '../support/typescript.js';

const root = join(import.meta.dirname, '../..');

/** Values: functions, classes, constants. A change of this list is a change of the major version (docs/library.md). */
const values = [
  'ChangeRefused',
  'ConfigError',
  'Director',
  'ManualClock',
  'MemoryDirector',
  'SchedulerModules',
  'VsnatError',
  'boundedHash',
  'describeChange',
  'diffModels',
  'endpoint',
  'errorCodes',
  'formatEndpoint',
  'generateTrace',
  'latencyBounds',
  'loadConfig',
  'loadConfigWithModules',
  'openTuntap2',
  'parseConfig',
  'parseTrace',
  'peakEwma',
  'readPacket',
  'realServer',
  'schedulerProgram',
  'simulate',
  'tcpPacket',
  'traceOfCapture',
  'udpPacket',
  'virtualService',
];

const settings: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
};
const place = join(root, 'dist');
const consumerFile = join(root, 'consumer.mts');

/** As a user with the strictest settings would write it; `skipLibCheck` is off, so our declarations are judged as well. */
const consumer = `
import { Director, tcpPacket, virtualService, VsnatError, type CustomScheduler } from './dist/index.js';
const inTurn = { name: 'mine', plan: (servers) => ({ kind: 'cycle', lead: [], loop: servers.map((_, i) => i) }) } satisfies CustomScheduler;
const web = virtualService({ name: 'web', listen: 'tcp://192.0.2.10:80', scheduler: inTurn, servers: ['10.0.0.1:80'] });
export const director = Director.memory({ services: [web] });
export const out: Uint8Array | undefined =
  director.process({ packet: tcpPacket('198.51.100.7:40000', '192.0.2.10:80'), nowMs: 0 }).outputs[0]?.packet;
export const isOurs = (error: unknown): boolean => error instanceof VsnatError && error.code === 'VSNAT_CONFIG_INVALID';
// @ts-expect-error directors are not made so
export const wrong = new Director();
`;

let program: ts.Program;
let checker: ts.TypeChecker;
let exported: readonly ts.Symbol[];

beforeAll(() => {
  const files = new Map<string, string>([[consumerFile, consumer]]);
  const emit: ts.CompilerOptions = {
    ...settings,
    skipLibCheck: true,
    rootDir: join(root, 'src'),
    outDir: place,
    declaration: true,
    emitDeclarationOnly: true,
    stripInternal: true,
    noCheck: true, // tsc does that; here only what it writes is of interest
  };
  ts.createProgram([join(root, 'src/index.ts')], emit).emit(undefined, (file, text) => files.set(file, text));
  const options: ts.CompilerOptions = { ...settings, skipLibCheck: false, noEmit: true };
  program = programOver(files, [consumerFile, join(place, 'index.d.ts')], options);
  checker = program.getTypeChecker();
  const index = program.getSourceFile(join(place, 'index.d.ts'));
  const symbol = index && checker.getSymbolAtLocation(index);
  exported = symbol === undefined ? [] : checker.getExportsOfModule(symbol);
}, 120_000);

const original = (symbol: ts.Symbol): ts.Symbol =>
  (symbol.flags & ts.SymbolFlags.Alias) !== 0 ? checker.getAliasedSymbol(symbol) : symbol;

const docOf = (symbol: ts.Symbol): string => ts.displayPartsToString(symbol.getDocumentationComment(checker));

/** Of ours: declared in dist/. */
const isOurs = (symbol: ts.Symbol): boolean =>
  (symbol.declarations ?? []).some((one) => one.getSourceFile().fileName.startsWith(`${place}/`));

/** Names of types that stand in the declaration, and are neither its own parameters nor exported. */
function* leaksOf(declaration: ts.Node, known: ReadonlySet<ts.Symbol>): Generator<string> {
  const names: ts.Node[] = [];
  // `typeof` of a constant is not looked at: the compiler shows what it comes to.
  const walk = (node: ts.Node): void => {
    if (ts.isTypeReferenceNode(node)) names.push(node.typeName);
    if (ts.isExpressionWithTypeArguments(node)) names.push(node.expression);
    if (ts.isImportTypeNode(node) && node.qualifier !== undefined) names.push(node.qualifier);
    ts.forEachChild(node, walk);
  };
  walk(declaration);
  for (const name of names) {
    const symbol = checker.getSymbolAtLocation(name);
    if (symbol === undefined) continue;
    const found = original(symbol);
    if ((found.flags & ts.SymbolFlags.TypeParameter) !== 0 || !isOurs(found) || known.has(found)) continue;
    yield found.name;
  }
}

describe('the library', () => {
  it('type-checks where a user is as strict as can be, and skips no library', () => {
    const said = ts.getPreEmitDiagnostics(program).map((one) => {
      const text = ts.flattenDiagnosticMessageText(one.messageText, '\n');
      return `${one.file?.fileName ?? ''}: ${text}`;
    });
    expect(said).toEqual([]);
  }, 120_000);

  it('exports these values and no other', () => {
    const isValue = (symbol: ts.Symbol): boolean =>
      (original(symbol).flags & ts.SymbolFlags.Value) !== 0 &&
      !(symbol.declarations ?? []).some((one) => ts.isTypeOnlyImportOrExportDeclaration(one));
    expect(
      exported
        .filter(isValue)
        .map(({ name }) => name)
        .toSorted(),
    ).toEqual(values);
  });

  it('says of every export what it is', () => {
    const silent = exported.filter((symbol) => docOf(original(symbol)) === '');
    expect(silent.map(({ name }) => name)).toEqual([]);
  });

  it('says of every method of its classes what it does', () => {
    const silent = exported.map(original).flatMap((symbol) => {
      if ((symbol.flags & ts.SymbolFlags.Class) === 0) return [];
      const statics = [...(symbol.exports?.values() ?? [])].filter(({ name }) => name !== 'prototype');
      return [...(symbol.members?.values() ?? []), ...statics]
        .filter((member) => !/^(__constructor|__#|#)/.test(member.name) && docOf(member) === '')
        .map((member) => `${symbol.name}.${member.name}`);
    });
    expect(silent).toEqual([]);
  });

  it('names no type that cannot be imported', () => {
    const known = new Set(exported.map(original));
    const leaks = [...known].flatMap((symbol) =>
      (symbol.declarations ?? []).flatMap((declaration) =>
        [...leaksOf(declaration, known)].map((name) => `${symbol.name} names ${name}`),
      ),
    );
    expect([...new Set(leaks)]).toEqual([]);
  });
});
