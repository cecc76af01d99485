# One file for everything native: the core as a static library that knows no Node, the addon on top of it, and with
# `-Dprograms=1` the C++ unit tests and the fuzzer. `-Dsanitize=address,undefined` or `-Dsanitize=thread` builds all of
# it instrumented, `-Doptimize=-O1` the core and the fuzzer less optimized, `-Doptimize_tests=-O0` the tests. (bench/
# compiles its programs itself; of the microbenchmarks the tests use what makes traffic.)
{
  'variables': { 'sanitize%': '', 'programs%': 0, 'optimize%': '-O3', 'optimize_tests%': '-O2' },
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
          'variables': { 'level': '<(optimize_tests)' },
          'type': 'executable',
          'product_extension': '',
          'includes': ['native/native.gypi'],
          'dependencies': ['vsnat_core'],
          'include_dirs': ['.'],
          'sources': ['<!@(ls test/native/*.cc test/native/*/*.cc)', 'bench/micro/clients.cc', 'bench/micro/director.cc'],
          'libraries': ['-lpthread'],
        },
        {
          'target_name': 'fuzz',
          'type': 'executable',
          'product_extension': '',
          'includes': ['native/native.gypi'],
          'dependencies': ['vsnat_core'],
          'include_dirs': ['.'],
          'sources': [
            'test/fuzz/burst_fuzz.cc', 'test/fuzz/driver.cc', 'test/fuzz/failure.cc', 'test/fuzz/ftp_fuzz.cc',
            'test/fuzz/parse_fuzz.cc', 'test/fuzz/step_fuzz.cc', 'test/fuzz/step_lab.cc', 'test/native/nat/nat_lab.cc', 'test/native/support/ftp_reference.cc',
            'test/native/support/packets.cc', 'test/native/support/reference.cc',
            'test/native/support/views.cc',
          ],
          'libraries': ['-lpthread'],
        },
      ],
    }],
  ],
}
