/** Tags as they stand before a field: its number and its wire type (Protocol Buffers encoding, "Message structure"). */

export const varintTag = (field: number): number => field << 3;
export const doubleTag = (field: number): number => (field << 3) | 1;
export const bytesTag = (field: number): number => (field << 3) | 2;
