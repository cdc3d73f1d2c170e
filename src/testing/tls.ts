/** A key for tests only: it protects nothing. */
export const testKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgFtPkBQPpiLLAxcj0
jAmXiCaoKpWC+hAKnOHsqyEE93ihRANCAAQtx3kQ2/1l+dtUJflKfghnP0kV1qmT
cururkG0jAGvJiZfosT0K0tKCd3Vn5+b9gxZbl406JAtYTQaBEt36E9l
-----END PRIVATE KEY-----`;

/** A self-signed certificate (2020 to 2120) of {@link testKey} for 127.0.0.1 and squall.test; its own authority, and a client certificate too. */
export const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBbjCCAROgAwIBAgIBATAKBggqhkjOPQQDAjAWMRQwEgYDVQQDDAtzcXVhbGwt
dGVzdDAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowFjEUMBIGA1UE
AwwLc3F1YWxsLXRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQtx3kQ2/1l
+dtUJflKfghnP0kV1qmTcururkG0jAGvJiZfosT0K0tKCd3Vn5+b9gxZbl406JAt
YTQaBEt36E9lo1AwTjAPBgNVHRMBAf8EBTADAQH/MBwGA1UdEQQVMBOHBH8AAAGC
C3NxdWFsbC50ZXN0MB0GA1UdDgQWBBTTSQ2DQ2dYvYGQL2zwhaYXka7ImDAKBggq
hkjOPQQDAgNJADBGAiEA3QcAnGK/0bkgzgdQKGPWSZ3PyWieRwBQYF5BNFGkQgsC
IQCOo8yQjbtedOQM7HU4ku1EDEb7hRRwNTMSyMF4xqcQuA==
-----END CERTIFICATE-----`;
