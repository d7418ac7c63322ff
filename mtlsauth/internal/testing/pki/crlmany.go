package pki

import (
	"encoding/binary"

	"golang.org/x/crypto/cryptobyte/asn1"
)

// Serials returns the DER of n CRL entries with the serial numbers that SerialOf
// gives, one in four with a reason, for CRL.RawEntries.
func Serials(n, size int) []byte {
	reason := extensionDER(idCE(21, false, []byte{byte(asn1.ENUM), 1, 1}))
	at := []byte("\x17\x0d240101000000Z")
	with := element(asn1.SEQUENCE, reason)
	out := make([]byte, 0, n*(size+4+len(at)+len(with)/4+1))
	for i := range n {
		extensions := []byte(nil)
		if i%4 == 0 {
			extensions = with
		}
		out = append(out, byte(asn1.SEQUENCE), byte(2+size+len(at)+len(extensions)), byte(asn1.INTEGER), byte(size))
		out = appendSerial(out, i, size)
		out = append(append(out, at...), extensions...)
	}
	return out
}

// SerialOf returns the content octets of the i-th serial number of Serials. The
// numbers are different, positive, of size bytes (5 to 24) and look random.
func SerialOf(i, size int) []byte { return appendSerial(nil, i, size) }

func appendSerial(out []byte, i, size int) []byte {
	var b [24]byte
	x := uint64(i)
	for at := 0; at < len(b); at += 8 {
		x += 0x9e3779b97f4a7c15 // splitmix64
		z := (x ^ x>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		x = z ^ z>>31
		binary.BigEndian.PutUint64(b[at:], x)
	}
	// The last four bytes are the index, so that no two are the same.
	binary.BigEndian.PutUint32(b[size-4:], uint32(i))
	b[0] = b[0]&0x3f | 0x40
	return append(out, b[:size]...)
}
