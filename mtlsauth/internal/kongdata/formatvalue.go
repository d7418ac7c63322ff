package kongdata

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"mtls-auth/mtlsauth/internal/uuid"
)

// text returns a text, "" if it is absent.
func (f fields) text(key string) (string, error) {
	s, err := textOf(f[key])
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return s, nil
}

// uuid returns a UUID in lower case, "" if it is absent.
func (f fields) uuid(key string) (string, error) {
	text, err := f.text(key)
	if err != nil || text == "" {
		return "", err
	}
	id, ok := uuid.Parse(text)
	if !ok {
		return "", fmt.Errorf("%s: must be a UUID", key) // what stands there by mistake may be a key
	}
	return id, nil
}

// texts returns a list of texts, nil if it is absent.
func (f fields) texts(key string) ([]string, error) {
	entries, _, err := f.list(key)
	var texts []string
	for i, n := range entries {
		text, err := textOf(n)
		if err != nil {
			return nil, fmt.Errorf("%s[%d]: %w", key, i, err)
		}
		texts = append(texts, text)
	}
	return texts, err
}

// textOf takes absence for "". YAML makes numbers, dates and truth values of text
// without quotes, and no two readers the same ones: they are refused, as Kong does
// it, not guessed at.
func textOf(n *yaml.Node) (string, error) {
	switch kind := kindOf(n); kind {
	case absent:
		return "", nil
	case aText:
	default:
		return "", fmt.Errorf("it is %s; must be text (in quotes, if it looks like something else)", kind)
	}
	s := resolved(n).Value
	// What is not UTF-8 has become this character, and could be any name.
	if strings.ContainsRune(s, utf8.RuneError) || !utf8.ValidString(s) {
		return "", errors.New("it is not UTF-8")
	}
	return s, nil
}

// resolved follows an alias; nil, for an absent field, is as good as null.
func resolved(n *yaml.Node) *yaml.Node {
	switch {
	case n == nil:
		return &yaml.Node{}
	case n.Kind == yaml.AliasNode:
		return n.Alias
	}
	return n
}

const (
	absent   = "absent"
	aText    = "text"
	aList    = "a list"
	aMapping = "a mapping"
)

// kindOf says what a value is. A tag that is not one of YAML's own says nothing,
// as for Kong.
func kindOf(n *yaml.Node) string {
	n = resolved(n)
	switch n.Kind {
	case yaml.MappingNode:
		return aMapping
	case yaml.SequenceNode:
		return aList
	case 0:
		return absent
	}
	tag := n.ShortTag()
	if !strings.HasPrefix(tag, "!!") {
		untagged := *n
		untagged.Tag = ""
		tag = untagged.ShortTag()
	}
	switch tag {
	case "!!null":
		return absent
	case "!!bool":
		return "a truth value"
	case "!!int", "!!float":
		return "a number"
	case "!!timestamp":
		return "a date"
	case "!!str":
		return aText
	}
	return "something else"
}

// quoteless cuts from a parser's error what it quotes of the file, which may hold
// keys: the log needs the line, not its content.
func quoteless(err error) error {
	text, _, _ := strings.Cut(err.Error(), "`")
	text = strings.Join(strings.Fields(text), " ")
	return errors.New(strings.TrimSpace(text))
}
