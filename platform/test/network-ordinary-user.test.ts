// Nothing more gets out when the platform is an ordinary user's.
process.env.WARREN_TEST_UID = '65534'
await import('./network.test.ts')
