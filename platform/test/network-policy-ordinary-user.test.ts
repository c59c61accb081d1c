// A policy holds as it does for root when the platform is an ordinary user's.
process.env.WARREN_TEST_UID = '65534'
await import('./network-policy.test.ts')
