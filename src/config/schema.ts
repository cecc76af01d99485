// SPDX-License-Identifier: Apache-2.0
/**
 * Every key of vsnat.yaml: type, range, default and documentation, once. The validator, the defaults, the type below,
 * vsnat.schema.json (for editors) and the table in docs/configuration.md are all made from here; schema/ has the parts.
 *
 * `errorMessage` is the sentence for a wrong value: "must …", with what to do after a semicolon where that helps.
 * Editors with YAML support show it as well. What one key cannot say about another is in checks.ts.
 */
import { Type, type Static } from '@sinclair/typebox';
import { adminSchema, metricsSchema } from './schema/doors.js';
import { healthSchema } from './schema/health.js';
import { markRuleSchema, serviceSchema } from './schema/service.js';
import { flowsSchema, ipvsSchema, logSchema, tunSchema } from './schema/settings.js';
import { map } from './schema/words.js';

export type { SchemaNode } from './schema/words.js';

const include = 'must be a path or a list of paths';

/** What every file may have. */
const shared = {
  include: Type.Optional(
    Type.Union([Type.String(), Type.Array(Type.String({ errorMessage: include }))], {
      description:
        'Further files, relative to this one, with `*`, `?` and `[…]` as in a shell: their `services` and `marks` are appended.',
      default: [],
      errorMessage: include,
    }),
  ),
  marks: Type.Optional(
    Type.Array(markRuleSchema, {
      description:
        "What a firewall's rules would mark, for `ipvsadm -A -f` and for services that have a `mark` and no `listen`; see persistence.md. A mark without a service does nothing.",
      default: [],
      errorMessage: 'must be a list; write [] for none',
    }),
  ),
};

const services = Type.Array(serviceSchema, {
  description:
    'The virtual services, 65536 at most. `[]` is valid: the director starts and waits for a reload.',
  errorMessage: 'must be a list; write [] for none',
  examples: [[]],
});

/** A file that is included: it is there to add, not to decide for all. */
export const includedSchema = Type.Object({ ...shared, services: Type.Optional(services) }, map);

export const configSchema = Type.Object(
  {
    services,
    ...shared,
    health: healthSchema({
      description: '`health` of every service that has none of its own.',
      default: 'off',
      sameAs: 'services[].health',
    }),
    tun: tunSchema,
    flows: flowsSchema,
    admin: adminSchema,
    metrics: metricsSchema,
    log: logSchema,
    ipvs: ipvsSchema,
  },
  {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'vsnat configuration',
    ...map,
  },
);

/** A configuration as users write it; short forms and missing defaults included. */
export type ConfigDocument = Static<typeof configSchema>;

/** The schema as plain JSON, ready for vsnat.schema.json. */
export const schemaText = (): string => `${JSON.stringify(configSchema, null, 2)}\n`;
