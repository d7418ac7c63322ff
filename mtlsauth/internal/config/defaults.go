package config

import (
	"encoding/json"
	"fmt"
)

// FillDefaults returns a plugin's configuration as Kong sends it: with the default of each field
// that is left out. One that is null stays so, since for some that means none.
func FillDefaults(plugin Plugin, text []byte) ([]byte, error) {
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	for _, f := range fieldsOf(plugin) {
		if _, given := raw[f.name]; given || f.fallback == nil {
			continue
		}
		value, err := json.Marshal(f.fallback)
		if err != nil {
			return nil, fmt.Errorf("config.%s: %w", f.name, err)
		}
		raw[f.name] = value
	}
	return json.Marshal(raw)
}
