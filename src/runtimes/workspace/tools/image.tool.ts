import { imageSize } from 'image-size';
import { z } from 'zod';
import { fail } from '../../../failures/failures.js';
import { sha256 } from '../../../log/hash-chain.js';
import { defineTool } from '../tool.js';

export const imageTool = defineTool({
  name: 'image.info',
  description: 'What a picture is: { type, width, height, bytes, digest }.',
  schema: z.strictObject({ path: z.string().min(1).max(1024) }),
  call: async ({ path }, { files }) => {
    const bytes = await files.read(path);
    const { type, width, height } = sizeOf(path, bytes);
    return {
      output: { path, type: type ?? null, width, height, bytes: bytes.byteLength, digest: sha256(bytes) },
      content: false,
    };
  },
});

function sizeOf(path: string, bytes: Uint8Array): ReturnType<typeof imageSize> {
  try {
    return imageSize(bytes);
  } catch (error) {
    throw fail('not-readable', `${path} is not a picture this tool knows: ${(error as Error).message}`);
  }
}
