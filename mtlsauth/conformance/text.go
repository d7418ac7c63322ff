package main

// What the page says around its figures. Sentences are short, and each claim has a figure or
// the command that makes it.
const (
	head = `# Conformance: figures that you can make again

This page is written by a command. It measures the program beside what others say of the same vectors:

` + "```sh" + `
go run ./mtlsauth/conformance -o docs/conformance.md
` + "```" + `

The last run was on %s, with %s.
The suites are not part of this repository. ` + "`-suites FOLDER`" + ` says where they are.

How to read the tables: a plain number is how many answers were right. **Passed** are clients that should have been refused.
Refused are clients that should have passed. "–" means that it cannot be asked.

- **mtls-auth**: the built program, in a process of its own for each vector, ` + "`revocation_check_mode`" + ` STRICT, CRLs from ` + "`-crl-dir`" + `.
- **crypto/x509**: Go's ` + "`Certificate.Verify`" + ` for client authentication. It checks no revocation.
- **openssl verify**: ` + "`-purpose sslclient -crl_check_all -extended_crl -use_deltas`" + `; ` + "`-crl_check_all`" + ` only where there are CRLs.
- **nginx**: ` + "`ssl_verify_client on`" + ` with ` + "`ssl_crl`" + ` or ` + "`ssl_ocsp on`" + `, and ` + "`ssl_verify_depth 20`" + `, asked by a TLS handshake.
- **HAProxy**: ` + "`verify required`" + ` with ` + "`ca-file` and `crl-file`" + `, asked likewise. It has no OCSP for clients.
`
	aboutPKITS = `
## NIST's PKI Test Suite

%d vectors of [PKITS](https://csrc.nist.gov/projects/pki-testing), the 2011 edition, which has SHA-256. Vectors that ask for a
certificate policy are left out: they need a setting that most of these verifiers do not have. A handshake needs the client's
private key, which the suite does not contain. So nginx and HAProxy were asked about the same vectors with keys of ours: each
certificate and CRL was signed again, those with a bad signature badly. Vectors with DSA keys are left out there. Sections 4.8 to
4.12: OpenSSL processes certificate policies with ` + "`-policy_check`" + ` only, which neither nginx nor HAProxy sets.
`
	aboutLimbo = `
## x509-limbo

%d cases of [x509-limbo](https://x509-limbo.com), turned to client authentication. Cases that need a host name, and rules for
issuers, are left out. Each case has its own time, so mtls-auth's answer is that of its path validation in the measuring process;
where a case has a CRL, it is the program's. The suite has no private keys.
`
	aboutCRLs = `
## CRLs, well signed and not

Each CRL is made with keys of its own, so that a verifier that does not look at the signature is found. It is the only one.
A certificate without a usable CRL must be refused. OpenSSL wants a CRL for the trust anchor as well, and a delta CRL only where
the certificate names one by a freshestCRL extension. nginx and HAProxy use OpenSSL with its defaults, so without delta CRLs.
`
	aboutOCSP = `
## OCSP responses, well signed and not

Each probe has a CA and a responder of its own. A certificate without a usable response must be refused. A warning of
` + "`openssl ocsp`" + ` counts as a refusal.
`
	aboutOpenSSLOCSP = `
OpenSSL's own OCSP checks (test/ocsp-tests), each at its time: %s of %s as OpenSSL has them. SHA-1 is allowed there, and only there.
`
	aboutDifferential = `
## Against OpenSSL's X509_verify_cert

The same leaf, chain and CA certificates are put to both. A difference that no listed reason explains fails the test. Of the
certificates from public sources one in six is taken; ` + "`ORACLE_FULL=1`" + ` takes all.

| tuples | number | both accept | both refuse | differ |
|---|---|---|---|---|
`
	aboutDeviations = `
## Where mtls-auth answers otherwise on purpose

| vector | reason |
|---|---|
`
	aboutFaults = `
## Faults by seed

A seed determines a schedule of requests and faults. The server is killed, stopped, and started twice at once. Its socket is
removed, replaced and full, and frames on it are cut, doubled, late and lost. In Lua mode they are also changed: Kong's own
protocol has no checksum, so no server could tell. Kong's workers are replaced. Responders and hosts of CRLs are silent, slow, wrong, rolled back and redirecting. Folders are half written, unreadable and full.
Descriptors and memory run out. CA certificates, consumers, credentials and plugins change. In the runs that begin with seed 1001
the Admin API fails as well: it refuses, is silent, slow, cut and garbled. The server's own clock is not moved.

` + "```sh" + `
go test -timeout 6h ./mtlsauth/e2e/faults -seeds 1000 -figures "$PWD/mtlsauth/conformance/figures"
` + "```" + `

Each row is a run.

A pass is wrong if it was not right at any instant within the bounds that these pages give. A refusal is wrong without its
reason in the log, or with one that was never true. The last column is the time after the last fault until every client got the
right answer on every route, on a machine under load.

| mode | seeds | faults | requests | passed | 401 | 500 | wrong | unanswered | right again after |
|---|---|---|---|---|---|---|---|---|---|
`
	aboutMutants = `
## Mutants

One thing of the code is changed at a time: a condition or a part of it, a boundary, a returned bool, a statement left out. A
test must fail. Mutants that are the same program are listed with the reason in ` + "`mtlsauth/conformance/mutants/equivalent.txt`" + `.
A living mutant lacks a test, or is the same program and not yet listed: ` + "`mtlsauth/conformance/figures/mutants-*.json`" + ` has each by file
and line. The figures are those of the tests with ` + "`-short`" + `: without the differential with OpenSSL, the tests of cost and those of the
whole program. Packages that are not in the table, and the Lua plugin, have not been measured.

` + "```sh" + `
go run ./mtlsauth/conformance/mutants -short
` + "```" + `

| package | mutants | killed | equivalent | living |
|---|---|---|---|---|
`
	aboutFuzz = `
## Fuzzing

Each parser and each judge has a fuzz target. Inputs that once failed are kept as tests. On this machine, which was busy, each
target had the time of the table; ten minutes is the default.

` + "```sh" + `
go run ./mtlsauth/conformance/fuzz
` + "```" + `

| package | target | lasted | executions | failures |
|---|---|---|---|---|
`
)
