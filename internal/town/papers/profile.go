package papers

import (
	"cmp"
	"embed"
	"fmt"
	"slices"

	"github.com/goccy/go-yaml"

	"tuermer/internal/platform/i18n"
)

//go:embed profiles/*.yaml
var profiles embed.FS

// Profile names the laws of a country and, for Germany, the bodies of a Land. It
// is a proposal: what the town enters replaces it.
type Profile struct {
	Country string `yaml:"-"`
	// Law and LawEN are the data protection law in a sentence's dative ("nach der
	// …"), Base the legal basis of a public task.
	Law         string `yaml:"law"`
	LawEN       string `yaml:"law_en"`
	Base        string `yaml:"base"`
	BaseEN      string `yaml:"base_en"`
	Imprint     string `yaml:"imprint"`
	ImprintEN   string `yaml:"imprint_en"`
	Access      string `yaml:"access"`
	AccessEN    string `yaml:"access_en"`
	Authority   string `yaml:"authority"`
	Enforcement string `yaml:"enforcement"`
	// Procedure says what the enforcement body does.
	Procedure   string          `yaml:"procedure"`
	ProcedureEN string          `yaml:"procedure_en"`
	Lands       map[string]Land `yaml:"lands"`
}

// Land are the bodies of one German Land.
type Land struct {
	Authority   string `yaml:"authority"`
	Enforcement string `yaml:"enforcement"`
	AccessLaw   string `yaml:"access"`
}

// in is the profile in a language: the German fields then hold its words.
func (p Profile) in(l i18n.Lang) Profile {
	if l != i18n.EN {
		return p
	}
	p.Law, p.Base, p.Imprint, p.Access, p.Procedure = p.LawEN, p.BaseEN, p.ImprintEN, p.AccessEN, p.ProcedureEN
	return p
}

// Countries lists the profiles.
func Countries() []string { return []string{"DE", "AT", "CH"} }

// loadProfiles reads the built-in files.
func loadProfiles() (map[string]Profile, error) {
	out := map[string]Profile{}
	for _, c := range Countries() {
		raw, err := profiles.ReadFile("profiles/" + c + ".yaml")
		if err != nil {
			return nil, fmt.Errorf("papers: %w", err)
		}
		var p Profile
		if err := yaml.UnmarshalWithOptions(raw, &p, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("papers: %s: %w", c, err)
		}
		p.Country = c
		out[c] = p
	}
	return out, nil
}

// of is the profile for a country and Land.
func of(all map[string]Profile, country, land string) Profile {
	if !slices.Contains(Countries(), country) {
		country = "DE"
	}
	p := all[country]
	l := p.Lands[land]
	p.Authority, p.Enforcement = cmp.Or(l.Authority, p.Authority), cmp.Or(l.Enforcement, p.Enforcement)
	if l.AccessLaw != "" {
		p.Access, p.AccessEN = p.Access+" und "+l.AccessLaw, p.AccessEN+" and "+l.AccessLaw
	}
	return p
}
