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

/** A key for tests only, as well. */
export const shopKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgitVwQ2RkicyFhS5A
gYPRxem2M+HbCGPf66bsbVXqsoOhRANCAARhG31y0Y/72lQxdMckxmh1XH/08HNG
VEQt7HC96rPH7XZxMX68gEghRefw8xfoSu7B9zaU0USJynDLgXIBpjF5
-----END PRIVATE KEY-----`;

/** A self-signed certificate of {@link shopKey} for checkout.shop.svc, valid for a hundred years from 2026. */
export const shopCertificate = `-----BEGIN CERTIFICATE-----
MIIBrTCCAVOgAwIBAgIULWG4DVxvaQD7cVoBmJXa752Q+DYwCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRY2hlY2tvdXQuc2hvcC5zdmMwIBcNMjYxMTIwMTUzMDIyWhgP
MjEyNjEwMjcxNTMwMjJaMBwxGjAYBgNVBAMMEWNoZWNrb3V0LnNob3Auc3ZjMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYRt9ctGP+9pUMXTHJMZodVx/9PBzRlRE
Lexwveqzx+12cTF+vIBIIUXn8PMX6Eruwfc2lNFEicpwy4FyAaYxeaNxMG8wHQYD
VR0OBBYEFHhrB07hwyaJKZkc6u7M7S0Y0xsRMB8GA1UdIwQYMBaAFHhrB07hwyaJ
KZkc6u7M7S0Y0xsRMA8GA1UdEwEB/wQFMAMBAf8wHAYDVR0RBBUwE4IRY2hlY2tv
dXQuc2hvcC5zdmMwCgYIKoZIzj0EAwIDSAAwRQIhAJwWUcnO9PONVX2ATIKAF/X1
jTKxynYRvitYrNuw6NBkAiA4REWISu4x/wU32kSx1iELGYyC7jqzFpAk5O+dG62m
Zg==
-----END CERTIFICATE-----`;
