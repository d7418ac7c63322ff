// Package consumer says whose certificate it is: the names in a certificate
// (RFC 5280, section 4.2.1.6), the credentials that map a name to a consumer
// (Kong's mtls_auth_credentials), and consumers whose username or custom_id is
// one of the names (consumer_by).
//
// Everything here is asked after the certificate was trusted, and answers
// only what somebody said: a source that failed is an error, never "nobody".
// Names are compared byte for byte. The time is an argument; the one thing
// read from outside is a [File], and consumers come through a [Directory].
package consumer
