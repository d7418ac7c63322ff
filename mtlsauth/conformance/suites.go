package main

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"mtls-auth/mtlsauth/internal/certificate"
	"mtls-auth/mtlsauth/internal/certpath"
	"mtls-auth/mtlsauth/internal/testing/suites"
)

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// The sections of NIST's PKI Test Suite.
var sections = map[string]string{
	"4.1": "signature verification", "4.2": "validity periods", "4.3": "name chaining", "4.4": "basic revocation",
	"4.5": "self-issued certificates", "4.6": "basic constraints", "4.7": "key usage", "4.8": "certificate policies",
	"4.9": "require explicit policy", "4.10": "policy mappings", "4.11": "inhibit policy mapping", "4.12": "inhibit any policy",
	"4.13": "name constraints", "4.14": "distribution points", "4.15": "delta CRLs", "4.16": "private extensions",
}

// readPKITS reads the vectors that ask for no certificate policy in particular. issued
// says whether they are to be issued again with keys of our own.
func readPKITS(folder string, issued bool) ([]vector, error) {
	all, err := suites.ReadPKITS(folder)
	if err != nil {
		return nil, err
	}
	r := &reissuer{keys: map[string]*ecdsaKey{}}
	file := func(kind, name string) ([]byte, error) { return os.ReadFile(filepath.Join(folder, kind, name)) }
	if issued {
		names, err := os.ReadDir(filepath.Join(folder, "certs"))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			der, err := file("certs", name.Name())
			if err == nil {
				err = r.learn(der)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name.Name(), err)
			}
		}
	}
	var vectors []vector
	for _, p := range all {
		if !p.AnyPolicy() {
			continue
		}
		id, _, _ := strings.Cut(p.Name, " ")
		v := vector{suite: "PKITS", section: id[:strings.LastIndexByte(id, '.')], name: p.Name, valid: p.ShouldValidate, crls: [][]byte{}, why: suites.PKITSDeviations[id]}
		var path [][]byte
		again := true
		for _, name := range p.CertPath {
			der, err := file("certs", name)
			if err == nil && issued {
				var key *ecdsaKey
				if der, key, err = r.certificate(der); errors.Is(err, errNotRSA) {
					again = false
					break
				}
				if key != nil {
					v.key = key
				}
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			path = append(path, der)
		}
		if !again {
			continue
		}
		for _, name := range p.CRLPath {
			der, err := file("crls", name)
			if err == nil && issued {
				der, err = r.crl(der)
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			v.crls = append(v.crls, der)
		}
		last := len(path) - 1
		v.anchors, v.leaf = path[:1], path[last]
		for n := last - 1; n > 0; n-- { // as TLS has them
			v.chain = append(v.chain, path[n])
		}
		vectors = append(vectors, v)
	}
	return vectors, nil
}

// readLimbo reads x509-limbo's cases for clients that a verifier of client certificates can
// be asked: those that need a peer's name, or are rules for issuers, are left out.
func readLimbo(folder string) ([]vector, error) {
	cases, err := suites.ReadLimbo(folder)
	if err != nil {
		return nil, err
	}
	der := func(text string) []byte {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return nil
		}
		return block.Bytes
	}
	var vectors []vector
	for _, c := range cases {
		if strings.HasPrefix(c.Class, "na-") {
			continue
		}
		section, _, _ := strings.Cut(c.ID, "::")
		v := vector{suite: "x509-limbo", section: section, name: c.ID, leaf: der(c.Peer), valid: c.Expected == "SUCCESS", why: suites.LimboDeviations[c.ID]}
		v.at = c.Now
		for _, text := range c.CRLs { // they are valid for a thousand years
			v.crls, v.at, v.why = append(v.crls, der(text)), time.Time{}, ""
		}
		for _, text := range c.Untrusted {
			v.chain = append(v.chain, der(text))
		}
		for _, text := range c.Trusted {
			v.anchors = append(v.anchors, der(text))
		}
		vectors = append(vectors, v)
	}
	return vectors, nil
}

// byPaths is path validation alone, in this process: at a time of the vector's. All that is
// trusted is an anchor, as limbo has it.
func byPaths(v vector) answer {
	leaf, err := certificate.Parse(v.leaf)
	if err != nil {
		return refuses
	}
	parse := func(ders [][]byte) (all []*certificate.Certificate) {
		for _, der := range ders {
			if c, err := certificate.Parse(der); err == nil {
				all = append(all, c)
			}
		}
		return all
	}
	_, err = certpath.NewTrust(parse(v.anchors), certpath.TrustOptions{AllowPartialChain: true}).Validate(leaf, parse(v.chain), certpath.Options{Now: v.now()})
	return saysIf(err == nil)
}
