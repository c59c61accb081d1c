// Requests are changed on their way out as they are for root when the platform is an ordinary user's.
process.env.WARREN_TEST_UID = '65534'
await import('./outgoing.test.ts')
