export { inlineLink } from '../lib/testing/inline-link.ts'
