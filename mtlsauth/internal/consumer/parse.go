package consumer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxFile bounds a file of credentials, in bytes. It may be the whole
	// configuration of a Kong, which Kong holds in memory too; reading YAML
	// takes several times the size.
	maxFile = 64 << 20

	// maxCredentials bounds the credentials of a file: each takes some hundred
	// bytes for as long as the server runs.
	maxCredentials = 500_000
)

// ErrNoSection is what ParseFile says of a text that is well formed and has
// neither consumers nor mtls_auth_credentials. For a file of credentials that
// is a mistake, a misspelt key or half a file: one without any says
// `consumers: []`.
var ErrNoSection = errors.New("it has neither consumers nor mtls_auth_credentials")

// ParseFile reads the credentials in a text of decK's format, YAML or JSON:
// those of each entry of consumers, and the list mtls_auth_credentials, as
// Kong's declarative format has it, whose entries name their consumer. All else
// on these levels is ignored, an unknown key inside a credential is not.
//
// A consumer that the file describes is referred to by its id, else its
// username, else its custom_id; one that it does not, by what the entry says.
//
// It fails closed: on error there are no credentials.
func ParseFile(data []byte) ([]Credential, error) {
	if len(data) > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	doc, err := parseDocument(data)
	if err != nil {
		return nil, err
	}
	if !doc.Consumers.given() && !doc.Credentials.given() {
		return nil, ErrNoSection
	}
	return doc.credentials()
}

// document is the outer shape of the format; all else in it is skipped.
type document struct {
	Consumers   anything `yaml:"consumers" json:"consumers"`
	Credentials anything `yaml:"mtls_auth_credentials" json:"mtls_auth_credentials"`
}

// anything is a value of either format: nil, bool, a number, string, []any or
// map[string]any. Null is as good as absent, as for Kong.
type anything struct{ value any }

func (a *anything) given() bool { return a.value != nil }

func (a *anything) UnmarshalYAML(n *yaml.Node) error { return n.Decode(&a.value) }

func (a *anything) UnmarshalJSON(data []byte) error { return json.Unmarshal(data, &a.value) }

func parseDocument(data []byte) (*document, error) {
	var doc *document
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		if err := json.Unmarshal(data, &doc); err == nil {
			return doc, nil
		}
		doc = nil // YAML may begin with a brace, too
	}
	if err := unmarshalYAML(data, &doc); err != nil {
		return nil, quoteless(err)
	}
	if doc == nil {
		return nil, errors.New("it holds nothing")
	}
	return doc, nil
}

// unmarshalYAML decodes the only document of data.
func unmarshalYAML(data []byte, into any) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the YAML can not be read")
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(into); err != nil {
		if errors.Is(err, io.EOF) {
			return errors.New("it holds nothing")
		}
		return err
	}
	var second yaml.Node
	if err := decoder.Decode(&second); !errors.Is(err, io.EOF) {
		return errors.New("it holds more than one YAML document")
	}
	return nil
}

// quoteless cuts from a parser's error what it quotes of the file, which may
// hold keys: the log needs the line, not its content.
func quoteless(err error) error {
	text, _, _ := strings.Cut(err.Error(), "`")
	text = strings.Join(strings.Fields(text), " ")
	return errors.New(strings.TrimSpace(text))
}

// credentials collects the entries of a document.
func (doc *document) credentials() ([]Credential, error) {
	c := &entries{ids: make(map[string]string), known: make(map[Query]Ref)}
	consumers, err := asList("consumers", doc.Consumers.value)
	if err != nil {
		return nil, err
	}
	for i, value := range consumers {
		if err := c.addConsumer(fmt.Sprintf("consumers[%d]", i), value); err != nil {
			return nil, err
		}
	}
	list, err := asList("mtls_auth_credentials", doc.Credentials.value)
	if err != nil {
		return nil, err
	}
	for i, value := range list {
		if err := c.addTopLevel(fmt.Sprintf("mtls_auth_credentials[%d]", i), value); err != nil {
			return nil, err
		}
	}
	return c.list, nil
}
