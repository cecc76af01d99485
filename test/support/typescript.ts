// SPDX-License-Identifier: Apache-2.0
/** The compiler over files that lie on no disk, beside those that do. */
import ts from 'typescript';

/** `files` by their full names, which hide what the disk has there; `roots` are those to begin with. */
export function programOver(
  files: ReadonlyMap<string, string>,
  roots: readonly string[],
  options: ts.CompilerOptions,
): ts.Program {
  const disk = ts.createCompilerHost(options);
  return ts.createProgram([...roots], options, {
    ...disk,
    directoryExists: () => true, // of the folders of `files` none need be there
    fileExists: (file) => files.has(file) || disk.fileExists(file),
    readFile: (file) => files.get(file) ?? disk.readFile(file),
    getSourceFile: (file, version, ...more) => {
      const text = files.get(file);
      return text === undefined
        ? disk.getSourceFile(file, version, ...more)
        : ts.createSourceFile(file, text, version, true);
    },
  });
}
