package ocsp

import (
	"math/big"

	"mtls-auth/mtlsauth/internal/certificate"
)

// JudgeSHA1 is Judge that accepts signatures with SHA-1: for vectors of another
// age.
func JudgeSHA1(response []byte, issuer *certificate.Certificate, serial *big.Int, o Options) (Answer, error) {
	return judge(response, issuer, serial, limits{Options: o, allowSHA1: true})
}
