package certificate

import (
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// Tags of context-specific elements.
func primitive(n uint8) asn1.Tag   { return asn1.Tag(n).ContextSpecific() }
func constructed(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }

// only reads an element with this tag that is all of der, and returns its
// content.
func only(der []byte, tag asn1.Tag) (content cryptobyte.String, ok bool) {
	s := cryptobyte.String(der)
	ok = s.ReadASN1(&content, tag) && s.Empty()
	return content, ok
}

// readBoolean reads an optional BOOLEAN that is false by default. Any octet but
// zero is true: DER wants 0xff, and there are writers that do not know.
func readBoolean(s *cryptobyte.String, tag asn1.Tag) (value, ok bool) {
	if !s.PeekASN1Tag(tag) {
		return false, true
	}
	var content cryptobyte.String
	ok = s.ReadASN1(&content, tag) && len(content) == 1
	return ok && content[0] != 0, ok
}

// readInteger reads an INTEGER and returns its content. It has to have its
// shortest form.
func readInteger(s *cryptobyte.String, tag asn1.Tag) (content []byte, ok bool) {
	ok = s.ReadASN1((*cryptobyte.String)(&content), tag) && isInteger(content)
	return content, ok
}

func isInteger(content []byte) bool {
	if len(content) > 1 && (content[0] == 0 && content[1] < 0x80 || content[0] == 0xff && content[1] >= 0x80) {
		return false
	}
	return len(content) > 0
}

// count returns a number that counts certificates: the largest int where it is
// larger than that, and not ok where it is negative.
func count(content []byte) (n int, ok bool) {
	const largest = 1<<31 - 1
	if content[0] >= 0x80 {
		return 0, false
	}
	if len(content) > 4 {
		return largest, true
	}
	for _, b := range content {
		n = n<<8 | int(b)
	}
	return min(n, largest), true
}

// integer returns the number that is the content of an INTEGER.
func integer(content []byte) *big.Int {
	n := new(big.Int).SetBytes(content)
	if len(content) > 0 && content[0] >= 0x80 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(content))))
	}
	return n
}

// readTime reads a Time (section 4.1.2.5): the forms that the RFC prescribes, and others
// that are in use, with an offset or without seconds.
func readTime(s *cryptobyte.String) (t time.Time, ok bool) {
	if s.PeekASN1Tag(asn1.UTCTime) {
		ok = s.ReadASN1UTCTime(&t)
	} else {
		ok = s.ReadASN1GeneralizedTime(&t)
	}
	return t, ok
}
