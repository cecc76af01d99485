# Flags shared by every native target. Included inside each target: flags in target_defaults lose against the ones
# Node's common.gypi adds later.
{
  'variables': { 'level%': '<(optimize)' },
  'include_dirs': ['.'],
  'cflags!': ['-fno-omit-frame-pointer'],
  'cflags_cc!': ['-std=gnu++17', '-std=gnu++20', '-fno-rtti', '-fexceptions'],
  'cflags_cc': [
    '-std=c++20', '<(level)', '-g1', '-fPIC', '-fvisibility=hidden', '-fno-exceptions', '-fno-rtti',
    '-Wall', '-Wextra', '-Wshadow', '-Wparentheses', '-Wno-unused-parameter', '-Wno-missing-field-initializers',
    '-Werror=return-type', '-fstack-protector-strong',
  ],
  'conditions': [
    ["sanitize!=''", {
      'cflags_cc': ['-fsanitize=<(sanitize)', '-fno-omit-frame-pointer', '-fno-sanitize-recover=all'],
      'ldflags': ['-fsanitize=<(sanitize)'],
    }],
  ],
}
