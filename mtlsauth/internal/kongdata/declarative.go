package kongdata

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"

	"mtls-auth/mtlsauth/internal/filewatch"
	"mtls-auth/mtlsauth/internal/uuid"

	"go.yaml.in/yaml/v3"
)

// maxDeclarative bounds a declarative file: Kong itself holds one in memory at
// once, a hundred thousand routes are some 30 MB, and reading YAML takes
// several times its size.
const maxDeclarative = 64 << 20

// declarative is a file (or a text) of Kong's declarative format. A version of
// the file that can not be read is no answer, so that what the last good one
// said stays in use.
type declarative struct {
	name    string
	file    *filewatch.File // nil for a text
	current atomic.Pointer[declarativeState]
}

type declarativeState struct {
	entities *declarativeEntities // of the last good version, or nil
	err      error                // why the last version is none
}

// declarativeEntities is what this package wants of the format. CA certificates
// without an id are left out: Kong makes one up then, which no configuration
// can know.
type declarativeEntities struct {
	caCertificates map[string]string // PEM by id
	consumers      consumerIndex
}

func newDeclarativeFile(name, path string) *declarative {
	return &declarative{name: name, file: filewatch.New(path, maxDeclarative)}
}

func newDeclarativeText(name, text string) *declarative {
	d := &declarative{name: name}
	entities, err := parseDeclarative([]byte(text), "")
	d.current.Store(&declarativeState{entities, err})
	return d
}

func (d *declarative) Name() string { return d.name }

// CACertificate answers from the version that was read last; if that is broken
// it fails closed for ids that were not known before.
func (d *declarative) CACertificate(_ context.Context, id string) (string, error) {
	state := d.current.Load()
	switch {
	case state == nil:
		return "", errors.New("the file has not been read yet")
	case state.err != nil:
		return "", state.err
	}
	text, ok := state.entities.caCertificates[id]
	if !ok {
		return "", ErrNotFound
	}
	return text, nil
}

// Refresh reads the file if it has changed.
func (d *declarative) Refresh(_ context.Context, force bool) {
	if d.file == nil {
		return
	}
	data, changed, err := d.file.Read(force)
	if err == nil && !changed {
		return
	}
	var entities *declarativeEntities
	if err == nil {
		entities, err = parseDeclarative(data, d.file.Path())
		if err != nil {
			err = fmt.Errorf("reading %s: %w", d.file.Path(), err)
		}
	}
	if old := d.current.Load(); err != nil && old != nil {
		entities = old.entities
	}
	d.current.Store(&declarativeState{entities, err})
}

// declarativeDocument is the outer shape of the format; all else in it is
// skipped.
type declarativeDocument struct {
	CACertificates []declarativeCA       `yaml:"ca_certificates" json:"ca_certificates"`
	Consumers      []declarativeConsumer `yaml:"consumers" json:"consumers"`
}

type declarativeCA struct {
	ID   string `yaml:"id" json:"id"`
	Cert string `yaml:"cert" json:"cert"`
}

// parseDeclarative reads JSON or YAML, after the name's extension and else
// after what it looks like. A text that is no mapping, an empty one included,
// is an error: half a file is not one that removes everything.
func parseDeclarative(data []byte, name string) (*declarativeEntities, error) {
	var doc *declarativeDocument
	isJSON := filepath.Ext(name) == ".json"
	if isJSON || bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		err := json.Unmarshal(data, &doc)
		if isJSON && err != nil {
			return nil, quoteless(err)
		}
		if err != nil {
			doc = nil // YAML may begin with a brace, too
		}
	}
	if doc == nil {
		if err := unmarshalYAML(data, &doc); err != nil {
			return nil, quoteless(err)
		}
	}
	if doc == nil {
		return nil, errors.New("it holds nothing")
	}
	return doc.entities()
}

func (doc *declarativeDocument) entities() (*declarativeEntities, error) {
	consumers, err := indexConsumers(doc.Consumers)
	if err != nil {
		return nil, err
	}
	out := &declarativeEntities{
		caCertificates: make(map[string]string, len(doc.CACertificates)),
		consumers:      consumers,
	}
	for i, ca := range doc.CACertificates {
		if ca.ID == "" {
			continue
		}
		id, ok := uuid.Parse(ca.ID)
		if !ok {
			return nil, fmt.Errorf("ca_certificates[%d]: its id is no UUID", i)
		}
		if _, twice := out.caCertificates[id]; twice {
			return nil, fmt.Errorf("ca_certificates[%d]: the id %s appears twice", i, id)
		}
		out.caCertificates[id] = ca.Cert
	}
	return out, nil
}

// unmarshalYAML decodes the first document of data.
func unmarshalYAML(data []byte, into any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the YAML can not be read")
		}
	}()
	return yaml.Unmarshal(data, into)
}

// quoteless cuts from a parser's error what it quotes of the file, which may
// hold keys: the log needs the line, not its content.
func quoteless(err error) error {
	text, _, _ := strings.Cut(err.Error(), "`")
	text = strings.Join(strings.Fields(text), " ")
	return errors.New(strings.TrimSpace(text))
}
