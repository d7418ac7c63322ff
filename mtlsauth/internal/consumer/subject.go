package consumer

import (
	"crypto/x509"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"mtls-auth/mtlsauth/internal/certname"
)

// MaxNames is how many names of a certificate are looked at: with two
// attributes each, the most that one certificate may cost in lookups is 128. A
// certificate of a person or a workload has a handful.
const MaxNames = 64

// Names are the names by which a certificate may match a consumer.
type Names struct {
	// Values are in the order of the certificate, each once, at most MaxNames.
	Values []string
	// More tells that the certificate has, or may have, names which are not
	// among Values. It must then not be treated as one that matches no consumer.
	More bool
}

// NameOptions say which names count.
type NameOptions struct {
	// DirNames is san_dirname_matcher; nil takes every attribute.
	DirNames *DirNameMatcher
	// Believed is given for a path with name constraints and tells which kinds
	// they confine (certpath.Path.Constrains). Others are the free choice of a
	// CA that was given only some names, and so is the CN: neither counts. Nil
	// is a path without constraints, on which every kind counts.
	Believed func(certname.Kind) bool
}

// SubjectNames returns the names that a leaf can be matched with: the values of
// its subject alternative name extension, and the CN only where there is no
// such extension at all (as Kong has it) and exactly one CN.
//
// DNS, email and URI names are taken as they are written, addresses in their
// usual text form, of a directoryName each attribute value that is text, of
// otherNames the UPN. Values that are empty, undecodable, not UTF-8 or hold a
// control character are dropped. What counts towards MaxNames is what would be
// used: different names that are left when all others are dropped. So a name
// that is not used pushes none out, and More means that one which could have
// matched was not looked at.
//
// It fails closed: from an extension that cannot be read come an error for the
// log, no names, no CN, and More, for it may name a consumer.
func SubjectNames(leaf *x509.Certificate, o NameOptions) (Names, error) {
	san, present, err := certname.SubjectAltNames(leaf)
	if err != nil {
		return Names{More: true}, fmt.Errorf("reading the subject alternative name: %w", err)
	}
	if !present {
		return commonName(leaf, o)
	}
	c := collector{seen: make(map[string]struct{})}
	for _, name := range san {
		if c.names.More {
			break
		}
		if name.Undecodable || o.Believed != nil && !o.Believed(name.Kind) {
			continue
		}
		switch name.Kind {
		case certname.DNS, certname.Email, certname.URI, certname.IP, certname.UPN:
			c.add(name.Value)
		case certname.DirectoryName:
			if err := c.addDirectoryName(name.Raw, o.DirNames); err != nil {
				return Names{More: true}, fmt.Errorf("reading a directoryName: %w", err)
			}
		}
	}
	return c.names, nil
}

// commonName returns the only CN of the subject; none where there are two, of
// which either may be meant.
func commonName(leaf *x509.Certificate, o NameOptions) (Names, error) {
	if o.Believed != nil {
		return Names{}, nil
	}
	attributes, err := certname.ParseName(leaf.RawSubject)
	if err != nil {
		return Names{More: true}, fmt.Errorf("reading the subject: %w", err)
	}
	var only *certname.Attribute
	for i := range attributes {
		if attributes[i].Type != certname.TypeCommonName {
			continue
		}
		if only != nil {
			return Names{}, nil
		}
		only = &attributes[i]
	}
	if only == nil || !only.Text || !usable(only.Value) {
		return Names{}, nil
	}
	return Names{Values: []string{only.Value}}, nil
}

// usable reports whether a value is a name: not empty, UTF-8, no C0, DEL or C1.
func usable(value string) bool {
	return value != "" && utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl)
}

type collector struct {
	names Names
	seen  map[string]struct{}
}

func (c *collector) add(value string) {
	if !usable(value) {
		return
	}
	if _, twice := c.seen[value]; twice {
		return
	}
	if len(c.names.Values) == MaxNames {
		c.names.More = true
		return
	}
	c.seen[value] = struct{}{}
	c.names.Values = append(c.names.Values, value)
}

func (c *collector) addDirectoryName(raw []byte, m *DirNameMatcher) error {
	attributes, err := certname.ParseName(raw)
	if err != nil {
		return err
	}
	for _, a := range attributes {
		if a.Text && m.matches(a.Type) {
			c.add(a.Value)
		}
	}
	return nil
}
