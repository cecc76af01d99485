# Four kinds of targets from one file: the core as a static library that knows no Node, the addon on top of it, the
# C++ unit tests and fuzz drivers, and the programs of the benchmark. `-Dprograms=1` adds the last
# two; `-Dsanitize=address,undefined` or `-Dsanitize=thread` builds everything instrumented.
{
  'variables': { 'sanitize%': '', 'programs%': 0 },
  'targets': [
    {
      'target_name': 'vsnat_core',
      'type': 'static_library',
      'includes': ['native/native.gypi'],
      'sources': ['<!@(ls native/wire/*.cc native/flow/*.cc native/service/*.cc native/nat/*.cc native/io/*.cc native/engine/*.cc)'],
    },
    {
      'target_name': 'vsnat',
      'includes': ['native/native.gypi'],
      'dependencies': ['vsnat_core'],
      'sources': ['<!@(ls native/napi/*.cc)'],
      'cflags_cc': ['-isystem', '<!(node -p "require(\'path\').resolve(require(\'node-addon-api\').include_dir)")'],
      'defines': [
        'NAPI_VERSION=9', 'NAPI_DISABLE_CPP_EXCEPTIONS', 'NODE_ADDON_API_DISABLE_DEPRECATED',
        'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
      ],
      # A worker_thread that was the only user of the addon unloads it; native threads must not lose their code.
      'ldflags': ['-Wl,-z,nodelete', '-Wl,-z,relro', '-Wl,-z,now'],
    },
  ],
  'conditions': [
    # Not for somebody who only installs the package: `npm test` asks for them with -Dprograms=1.
    ['programs==1', {
      'targets': [
        {
          'target_name': 'native_tests',
          'type': 'executable',
          'product_extension': '',
          'includes': ['native/native.gypi'],
          'dependencies': ['vsnat_core'],
          'include_dirs': ['.'],
          'sources': ['<!@(ls test/native/*.cc test/native/*/*.cc)'],
          'libraries': ['-lpthread'],
        },
      ],
    }],
  ],
}
