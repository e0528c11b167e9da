import { defineEntity, p } from '@mikro-orm/sqlite';

/** The last sequence folded, by partition. It moves in one transaction with the rows. */
export const CheckpointRow = defineEntity({
  name: 'CheckpointRow',
  tableName: 'checkpoints',
  properties: {
    partitionNo: p.integer().primary(),
    seq: p.bigint('number'),
  },
});
