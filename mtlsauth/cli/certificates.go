package cli

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"strings"
)

// certificates are those of a file, each as one PEM block.
type certificates [][]byte

// maxCertificateFile bounds a file of certificates: a bundle of all public CAs takes 250 KB.
const maxCertificateFile = 16 << 20

// readCertificates reads a file of PEM, of which what is not a certificate is left out, or
// of DER. An empty one has no certificate. Whether each can be read is for the server's code
// to say: what is neither is given to it as it is.
func readCertificates(file string) (certificates, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	var found certificates
	var others []string
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		switch block.Type {
		case "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE":
			found = append(found, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}))
		default:
			others = append(others, block.Type)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(others) > 0:
		return nil, fmt.Errorf("%s has no certificate, but %s", file, strings.Join(others, ", "))
	case data[0] == 0x30: // a SEQUENCE: DER
		return certificates{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: data})}, nil
	}
	return certificates{data}, nil
}

// readFile reads a file that a person names, also a pipe or /dev/null.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxCertificateFile+1))
	if err == nil && len(data) > maxCertificateFile {
		err = fmt.Errorf("%s: over %d MiB", path, maxCertificateFile>>20)
	}
	return data, err
}

func (c certificates) first() []byte {
	if len(c) == 0 {
		return nil
	}
	return c[0]
}

func (c certificates) rest() []byte {
	if len(c) == 0 {
		return nil
	}
	return c[1:].all()
}

func (c certificates) all() []byte { return bytes.Join(c, nil) }

// what says what a file has, of which the first is one thing and the others another.
func (c certificates) what(first, others string) string {
	switch len(c) {
	case 0:
		return "empty: no certificate"
	case 1:
		return first
	}
	return fmt.Sprintf("%s, and %d %s", first, len(c)-1, others)
}

// coloured reports whether colours help a reader: on a terminal, unless NO_COLOR is set
// (https://no-color.org).
func coloured(out any) bool {
	if checked, ok := out.(*checkedWriter); ok {
		out = checked.Writer
	}
	file, ok := out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && isTerminal(file)
}
