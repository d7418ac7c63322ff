// Package consumer finds the consumer of a certificate: by the names in it (RFC
// 5280, section 4.2.1.6), the credentials that map a name to a consumer (Kong's
// mtls_auth_credentials), and consumers whose username or custom_id is one of
// the names (consumer_by).
//
// All of it happens after the certificate was trusted, and rests only on what a
// source answered: a source that failed is an error, never "no consumer matches".
// Names are compared byte for byte. The time is an argument, credentials are
// handed in, and consumers come through a [Directory]; this package reads
// nothing itself.
package consumer
