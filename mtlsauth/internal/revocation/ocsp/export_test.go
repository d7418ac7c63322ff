package ocsp

import (
	"crypto/x509"
	"math/big"
)

// JudgeSHA1 is Judge that accepts signatures with SHA-1: for vectors of another
// age.
func JudgeSHA1(response []byte, issuer *x509.Certificate, serial *big.Int, o Options) (Answer, error) {
	return judge(response, issuer, serial, limits{Options: o, allowSHA1: true})
}
