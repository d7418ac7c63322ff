package crl

import (
	"hash"

	"mtls-auth/mtlsauth/internal/signature"
)

// sum takes the signed bytes and makes of them what Algorithm.Verify asks for.
type sum interface {
	Write([]byte) (int, error)
	bytes() ([]byte, error)
}

func newSum(a signature.Algorithm, reserve func(int) error) sum {
	if a.Hash() == 0 {
		return &message{reserve: reserve}
	}
	return digest{a.Hash().New()}
}

type digest struct{ hash.Hash }

func (d digest) bytes() ([]byte, error) { return d.Sum(nil), nil }

// message keeps the signed bytes themselves, in chunks until the end: Ed25519
// hashes them behind a part of the signature, which comes last, so that they
// cannot be digested while they are read (RFC 8032, section 5.1.7).
type message struct {
	chunks  [][]byte
	size    int
	reserve func(int) error
}

func (m *message) Write(b []byte) (int, error) {
	if err := m.reserve(len(b)); err != nil {
		return 0, err
	}
	m.chunks = append(m.chunks, append([]byte(nil), b...))
	m.size += len(b)
	return len(b), nil
}

// bytes joins the chunks, for which there has to be room twice.
func (m *message) bytes() ([]byte, error) {
	if err := m.reserve(m.size); err != nil {
		return nil, err
	}
	whole := make([]byte, 0, m.size)
	for i, chunk := range m.chunks {
		whole = append(whole, chunk...)
		m.chunks[i] = nil
	}
	return whole, nil
}
