package crl

import (
	"bytes"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// maxIssuers bounds the certificate issuers of one indirect CRL. Each has an
// index of its own.
const maxIssuers = 4096

// issuerOverhead is about what a certificate issuer takes beside its name and
// what its index holds.
const issuerOverhead = 256

// entries are the revoked certificates of a list.
type entries struct {
	own    index            // of the issuer of the list
	others map[string]index // of other certificate issuers, by DER Name
	count  int
}

func (e *entries) lookup(listIssuer, rawIssuer, serial []byte) (Reason, bool) {
	if bytes.Equal(rawIssuer, listIssuer) {
		s, found := e.own.lookup(serial)
		return s.reason(), found
	}
	if x, known := e.others[string(rawIssuer)]; known {
		s, found := x.lookup(serial)
		return s.reason(), found
	}
	return 0, false
}

func (e *entries) size() int {
	size := e.own.size()
	for name, x := range e.others {
		size += issuerOverhead + len(name) + x.size()
	}
	return size
}

// collector takes the entries as they are read.
type collector struct {
	rawIssuer []byte
	own       *builder
	others    map[string]*builder
	current   *builder // of the certificate issuer that the entries are of now
	count     int
	indirect  bool // an entry named a certificate issuer
	reserve   func(int) error
}

func newCollector(rawIssuer []byte, reserve func(int) error) *collector {
	own := newBuilder(reserve)
	return &collector{rawIssuer: rawIssuer, own: own, current: own, others: map[string]*builder{}, reserve: reserve}
}

var errEntry = refuse(Malformed, "parsing CRL: malformed entry")

// add reads one revokedCertificates element (RFC 5280, section 5.1.2.6).
func (c *collector) add(element cryptobyte.String) error {
	var entry, serial cryptobyte.String
	if !element.ReadASN1(&entry, asn1.SEQUENCE) || !entry.ReadASN1(&serial, asn1.INTEGER) || !minimalInteger(serial) {
		return errEntry
	}
	if _, ok := readTime(&entry); !ok {
		return errEntry
	}
	s := status(ReasonUnspecified)
	if !entry.Empty() {
		var extensions cryptobyte.String
		if !entry.ReadASN1(&extensions, asn1.SEQUENCE) || !entry.Empty() {
			return errEntry
		}
		var err error
		if s, err = c.readExtensions(extensions); err != nil {
			return err
		}
	}
	c.count++
	return c.current.add(serial, s)
}

// minimalInteger checks the content of an INTEGER (X.690, section 8.3). Serial
// numbers have to be positive (RFC 5280, section 4.1.2.2); entries for others
// are taken for the certificates that have them.
func minimalInteger(b []byte) bool {
	return len(b) == 1 || len(b) > 1 && !(b[0] == 0 && b[1] < 0x80 || b[0] == 0xff && b[1] >= 0x80)
}

// readExtensions reads crlEntryExtensions (RFC 5280, section 5.3). One that is
// critical and not understood makes the whole list unusable.
func (c *collector) readExtensions(extensions cryptobyte.String) (status, error) {
	s := status(ReasonUnspecified)
	var reason, invalidity, issuer bool
	for n := 0; !extensions.Empty(); n++ {
		e, ok := readExtension(&extensions)
		if !ok {
			return 0, errEntry
		}
		if n == maxExtensions {
			return 0, refusef(TooLarge, "parsing CRL: entry with more than %d extensions", maxExtensions)
		}
		var seen *bool
		switch string(e.oid) {
		case oidReasonCode:
			seen = &reason
			var code int
			if !e.value.ReadASN1Enum(&code) || !e.value.Empty() {
				return 0, errEntry
			}
			s = newStatus(code)
		case oidInvalidityDate:
			// From when on the key was not to be trusted: it is not now.
			seen = &invalidity
		case oidCertificateIssuer:
			seen = &issuer
			if err := c.turnTo(e.value); err != nil {
				return 0, err
			}
		default:
			if e.critical {
				return 0, refusef(Critical, "parsing CRL: critical entry extension % x is not supported", e.oid[:min(len(e.oid), 20)])
			}
			continue
		}
		if *seen {
			return 0, refuse(Malformed, "parsing CRL: an entry has an extension twice")
		}
		*seen = true
	}
	return s, nil
}

// turnTo makes a certificate issuer that of this and the following entries
// (section 5.3.3). Of its names the one directoryName counts, which has to be
// that in the certificates' issuer field.
func (c *collector) turnTo(value cryptobyte.String) error {
	var content cryptobyte.String
	if !value.ReadASN1(&content, asn1.SEQUENCE) || !value.Empty() {
		return errEntry
	}
	names, refused := readGeneralNames(content)
	if refused != nil {
		return refusef(refused.Kind, "parsing CRL: certificate issuer: %w", refused)
	}
	directory := names.directoryNames()
	if len(directory) != 1 {
		return refusef(Malformed, "parsing CRL: certificate issuer with %d directoryNames", len(directory))
	}
	c.indirect = true
	name := directory[0]
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
	if err := c.reserve(issuerOverhead + len(name)); err != nil {
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
	if len(c.others) > 0 {
		e.others = make(map[string]index, len(c.others))
	}
	for name, b := range c.others {
		if e.others[name], err = b.build(); err != nil {
			return entries{}, err
		}
		delete(c.others, name)
	}
	return e, nil
}
