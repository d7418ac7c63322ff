package kongdata

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// readDocument reads YAML or JSON as Kong reads a declarative file: by the name's
// extension and else by what it looks like, and of several YAML documents the first,
// where all can be read. more reports that there were others.
//
// A key twice in what is used of it is an error, where Kong takes the last one: who
// is let in must not depend on that.
func readDocument(data []byte, name string) (document fields, more bool, err error) {
	var root *yaml.Node
	isJSON := filepath.Ext(name) == ".json"
	if isJSON || bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) {
		root, err = readJSON(data)
		if isJSON && err != nil {
			return nil, false, fmt.Errorf("reading JSON: %w", quoteless(err))
		}
	}
	if root == nil || err != nil { // YAML may begin with a brace, too
		root, more, err = readYAML(data)
		if err != nil {
			return nil, false, quoteless(err)
		}
	}
	if root == nil || root.Tag == "!!null" {
		return nil, false, errors.New("it holds nothing")
	}
	document, err = mapping(root)
	return document, more, err
}

// readYAML returns the first document, nil if there is none. The reader has been
// seen to panic.
func readYAML(data []byte) (root *yaml.Node, more bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the YAML cannot be read")
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var document yaml.Node
		switch err := decoder.Decode(&document); {
		case errors.Is(err, io.EOF):
			return root, more, nil
		case err != nil:
			return nil, false, err
		case root != nil:
			more = true
		case len(document.Content) > 0:
			root = document.Content[0]
		}
	}
}

// maxDepth bounds how deep JSON is nested: reading it takes a stack frame each.
const maxDepth = 1000

// readJSON returns the nodes that the same in YAML has. YAML's own reader takes
// most JSON, but not characters that are written as two halves.
func readJSON(data []byte) (*yaml.Node, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	root, err := jsonNode(decoder, 0)
	if err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after it")
	}
	return root, nil
}

func jsonNode(decoder *json.Decoder, depth int) (*yaml.Node, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	switch token := token.(type) {
	case json.Delim:
		node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		if token == '[' {
			node.Kind, node.Tag = yaml.SequenceNode, "!!seq"
		}
		if depth == maxDepth {
			return nil, fmt.Errorf("it is nested more than %d deep", maxDepth)
		}
		for decoder.More() { // of an object, keys and values in turn
			child, err := jsonNode(decoder, depth+1)
			if err != nil {
				return nil, err
			}
			node.Content = append(node.Content, child)
		}
		_, err = decoder.Token()
		return node, err
	case string:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: token}, nil
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: fmt.Sprint(token)}, nil
	case float64:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: fmt.Sprintf("%.0f", token)}, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null"}, nil
}

// fields are those of a mapping.
type fields map[string]*yaml.Node

func mapping(n *yaml.Node) (fields, error) {
	if kind := kindOf(n); kind != aMapping {
		return nil, fmt.Errorf("it is %s; must be a mapping", kind)
	}
	content := resolved(n).Content
	f := make(fields, len(content)/2)
	for i := 0; i+1 < len(content); i += 2 {
		key := resolved(content[i])
		if key.Value == "<<" {
			return merged(n)
		}
		if _, twice := f[key.Value]; twice {
			return nil, fmt.Errorf("the key %q appears twice%s", key.Value[:min(len(key.Value), 64)], inLine(key))
		}
		f[key.Value] = content[i+1]
	}
	return f, nil
}

// merged returns the fields of a mapping into which others are merged: YAML's reader
// does that, and bounds what it costs.
func merged(n *yaml.Node) (fields, error) {
	var nodes map[string]yaml.Node
	if err := n.Decode(&nodes); err != nil {
		return nil, quoteless(err)
	}
	f := make(fields, len(nodes))
	for key, node := range nodes {
		f[key] = &node
	}
	return f, nil
}

// inLine says where a node is; JSON's have no lines.
func inLine(n *yaml.Node) string {
	if n.Line == 0 {
		return ""
	}
	return fmt.Sprintf(", in line %d again", n.Line)
}

// list returns the entries of a list; null is as good as absent, as for Kong.
func (f fields) list(key string) (entries []*yaml.Node, given bool, err error) {
	switch kind := kindOf(f[key]); kind {
	case absent:
		return nil, false, nil
	case aList:
		return resolved(f[key]).Content, true, nil
	default:
		return nil, false, fmt.Errorf("%s: it is %s; must be a list", key, kind)
	}
}

// each calls a function with the fields of each entry of a list, and tells whether
// there is a list.
func (f fields) each(key string, do func(at string, entry fields) error) (given bool, err error) {
	entries, given, err := f.list(key)
	for i, n := range entries {
		at := fmt.Sprintf("%s[%d]", key, i)
		entry, err := mapping(n)
		if err == nil {
			err = do(at, entry)
		}
		if err != nil {
			return given, fmt.Errorf("%s: %w", at, err)
		}
	}
	return given, err
}
