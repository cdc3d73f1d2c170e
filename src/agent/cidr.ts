export { normalisedRange } from '../kubernetes/cidr.js';
