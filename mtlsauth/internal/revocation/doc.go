// Package revocation finds out whether the certificates of a validated path are
// revoked: by OCSP (RFC 6960, RFC 5019) and by CRLs (RFC 5280, section 6.3).
//
// [Checker.Check] asks, for each certificate below the trust anchor, a folder of
// CRLs first, then the OCSP responders that the certificate names, and then its
// CRL distribution points. Packages ocsp and crl judge the
// answers, with the issuer of the validated path; fetch asks the URLs; statedir
// keeps answers on disk.
//
// # What is kept
//
// The room cache keeps what one URL said last: about one certificate of one issuer,
// or as a CRL for one issuer. Issuer means the issuer's certificate. Its package
// comment has the life of an entry: how long it serves, when it is renewed, what
// happens when that fails. A certificate that was once seen revoked stays so (see
// [Result]) until it ends or a later answer says otherwise.
//
// # Failing closed
//
// The zero [Mode] is STRICT, the zero [Verdict] refuses, and a limit of our own
// is neither an answer nor the lack of one: it lets no request in. What the issuer
// has signed counts against a certificate even where it cannot count for it.
package revocation
