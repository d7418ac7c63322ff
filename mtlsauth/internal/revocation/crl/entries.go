package crl

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/revocation/der"
)

// maxIssuers bounds the certificate issuers of one indirect CRL. Each has an
// index of its own.
const maxIssuers = 4096

// issuerOverhead is about what a certificate issuer takes beside its name and
// what its index holds.
const issuerOverhead = 256

// parsedName is about what a name takes for each byte of its DER: the index has it
// parsed. Attributes of nine bytes, the shortest, take half as much again.
const parsedName = 8

// entries are the revoked certificates of a list.
type entries struct {
	own    index // of the issuer of the list
	others certificate.Index[*others]
	count  int
	size   int // of others
}

// others are the entries of another certificate issuer.
type others struct{ index }

func (e *entries) lookup(listIssuer, rawIssuer, serial []byte) (Reason, bool) {
	var lowest status
	listed := false
	take := func(x *index, match certificate.Match) {
		s, found := x.lookup(serial)
		// Only what is certainly about the certificate takes a revocation back.
		if found && (match == certificate.Certain || s != statusRemove) && (!listed || s < lowest) {
			lowest, listed = s, true
		}
	}
	if match := certificate.Compare(rawIssuer, listIssuer); match != certificate.Different {
		take(&e.own, match)
	}
	if e.size > 0 {
		e.others.Find(rawIssuer, func(o *others, match certificate.Match) { take(&o.index, match) })
	}
	return lowest.reason(), listed
}

func (e *entries) bytes() int { return e.own.size() + e.size }

// collector takes the entries as they are read.
type collector struct {
	rawIssuer []byte
	own       *builder
	others    map[string]*builder
	current   *builder // of the certificate issuer that the entries are of now
	count     int
	indirect  bool // an entry named a certificate issuer
	reserve   func(int) error
	flawed    func(*Error)
}

func newCollector(rawIssuer []byte, reserve func(int) error, flawed func(*Error)) *collector {
	own := newBuilder(reserve)
	return &collector{rawIssuer: rawIssuer, own: own, current: own, others: map[string]*builder{}, reserve: reserve, flawed: flawed}
}

var errEntry = refuse(Malformed, "parsing CRL: malformed entry")

// add reads one revokedCertificates element (RFC 5280, section 5.1.2.6). Of one
// that is malformed behind its serial number, that number is revoked.
func (c *collector) add(element cryptobyte.String) error {
	var entry, serial cryptobyte.String
	if !element.ReadASN1(&entry, asn1.SEQUENCE) || !entry.ReadASN1(&serial, asn1.INTEGER) || len(serial) == 0 {
		c.flawed(errEntry)
		return nil
	}
	if minimal := minimalInteger(serial); len(minimal) != len(serial) {
		c.flawed(errEntry)
		serial = minimal
	}
	s := status(ReasonUnspecified)
	if !der.SkipTime(&entry) {
		c.flawed(errEntry)
	} else if !entry.Empty() {
		var extensions cryptobyte.String
		if !entry.ReadASN1(&extensions, asn1.SEQUENCE) || !entry.Empty() {
			c.flawed(errEntry)
		} else {
			var err error
			if s, err = c.readExtensions(extensions); err != nil {
				return err
			}
		}
	}
	c.count++
	return c.current.add(serial, s)
}

// minimalInteger returns the content of an INTEGER as X.690, section 8.3, has it.
// Serial numbers have to be positive (RFC 5280, section 4.1.2.2); entries for
// others are taken for the certificates that have them.
func minimalInteger(b []byte) []byte {
	for len(b) > 1 && (b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80) {
		b = b[1:]
	}
	return b
}

// readExtensions reads crlEntryExtensions (RFC 5280, section 5.3). An error is a
// limit; what is malformed or not supported is a flaw of the list, and the entry
// revokes.
func (c *collector) readExtensions(extensions cryptobyte.String) (status, error) {
	s := status(ReasonUnspecified)
	var reason, invalidity, issuer bool
	for n := 0; !extensions.Empty(); n++ {
		e, ok := der.ReadExtension(&extensions)
		if !ok {
			c.flawed(errEntry)
			return status(ReasonUnspecified), nil
		}
		if n == maxExtensions {
			return 0, refusef(TooLarge, "parsing CRL: entry with more than %d extensions", maxExtensions)
		}
		var seen *bool
		switch string(e.OID) {
		case oidReasonCode:
			seen = &reason
			var code int
			if !e.Value.ReadASN1Enum(&code) || !e.Value.Empty() {
				c.flawed(errEntry)
				code = int(ReasonUnspecified)
			}
			s = newStatus(code)
		case oidInvalidityDate:
			// From when on the key was not to be trusted: it is not now.
			seen = &invalidity
		case oidCertificateIssuer:
			seen = &issuer
			if err := c.turnTo(e.Value); err != nil {
				return 0, err
			}
		default:
			if e.Critical {
				c.flawed(refusef(Critical, "parsing CRL: critical entry extension % x is not supported", e.OID[:min(len(e.OID), 20)]))
			}
			continue
		}
		if *seen {
			c.flawed(refuse(Malformed, "parsing CRL: an entry has an extension twice"))
			s = status(ReasonUnspecified)
		}
		*seen = true
	}
	return s, nil
}

// turnTo makes a certificate issuer that of this and the following entries
// (section 5.3.3). Of its names the one directoryName counts, which has to be
// that in the certificates' issuer field. What has no such name may be any
// issuer's: it is kept under a name that cannot be parsed.
func (c *collector) turnTo(value cryptobyte.String) error {
	c.indirect = true
	name := []byte(value)
	var content cryptobyte.String
	if value.ReadASN1(&content, asn1.SEQUENCE) && value.Empty() {
		names, refused := readGeneralNames(content)
		if refused != nil && refused.Kind == TooLarge {
			return refusef(refused.Kind, "parsing CRL: certificate issuer: %w", refused)
		}
		if directory := names.directoryNames(); refused == nil && len(directory) == 1 {
			return c.entriesOf(directory[0])
		}
	}
	c.flawed(refuse(Malformed, "parsing CRL: certificate issuer of other than one directoryName"))
	return c.entriesOf(append([]byte{0}, name...))
}

func (c *collector) entriesOf(name []byte) error {
	if bytes.Equal(name, c.rawIssuer) {
		c.current = c.own
		return nil
	}
	if b := c.others[string(name)]; b != nil {
		c.current = b
		return nil
	}
	if len(c.others) == maxIssuers {
		return refusef(TooLarge, "parsing CRL: more than %d certificate issuers", maxIssuers)
	}
	if err := c.reserve(issuerOverhead + parsedName*len(name)); err != nil {
		return err
	}
	c.current = newBuilder(c.reserve)
	c.others[string(name)] = c.current
	return nil
}

func (c *collector) build() (entries, error) {
	e := entries{count: c.count}
	var err error
	if e.own, err = c.own.build(); err != nil {
		return entries{}, err
	}
	for name, b := range c.others {
		o := new(others)
		if o.index, err = b.build(); err != nil {
			return entries{}, err
		}
		e.others.Add([]byte(name), o)
		e.size += issuerOverhead + parsedName*len(name) + o.size()
		delete(c.others, name)
	}
	return e, nil
}
