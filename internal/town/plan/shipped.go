package plan

import (
	"embed"
	"fmt"

	"github.com/goccy/go-yaml"
)

//go:embed shipped/*.yaml
var shipped embed.FS

// Offered is what the product suggests in that language; other languages get
// the English. Nothing of it counts before somebody takes it.
func Offered(lang string) (Document, error) {
	name := "shipped/en.yaml"
	if lang == "de" || lang == "" {
		name = "shipped/de.yaml"
	}
	raw, err := shipped.ReadFile(name)
	if err != nil {
		return Document{}, fmt.Errorf("plan: %w", err)
	}
	var in struct {
		Lists   map[Part][]string `yaml:"lists"`
		Holding []struct {
			Title    string `yaml:"title"`
			Scenario string `yaml:"scenario"`
			Text     string `yaml:"text"`
		} `yaml:"holding"`
	}
	if err := yaml.UnmarshalWithOptions(raw, &in, yaml.Strict()); err != nil {
		return Document{}, fmt.Errorf("plan: %s: %w", name, err)
	}
	d := Document{Lists: in.Lists, Profiles: map[string]Profile{}}
	for i, h := range in.Holding {
		d.Holding = append(d.Holding, HoldingText{ID: fmt.Sprintf("shipped-%d", i+1), Title: h.Title, Scenario: h.Scenario, Text: h.Text})
	}
	return d, nil
}

// Filled is the document with what is offered wherever the town has entered
// nothing; taken says which lists are the town's own.
func (d Document) Filled(offer Document) (out Document, taken map[Part]bool) {
	out, taken = d.clone(), map[Part]bool{Holding: len(d.Holding) > 0}
	for _, p := range Lists() {
		taken[p] = len(d.Lists[p]) > 0
		if !taken[p] {
			out.Lists[p] = offer.Lists[p]
		}
	}
	if !taken[Holding] {
		out.Holding = offer.Holding
	}
	return out, taken
}
