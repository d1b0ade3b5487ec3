package review

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"tuermer/internal/inform/template"
	"tuermer/internal/platform/i18n"
)

//go:embed legal/*.yaml
var legal embed.FS

// Rule is one legal deadline as its law states it: data, not code. The files in
// legal/ say where it was read and when.
type Rule struct {
	ID      string `yaml:"id"` // "de.dsgvo33"; begins with the country
	Country string `yaml:"-"`
	Law     string `yaml:"law"`
	Source  string `yaml:"source"`
	Name    string `yaml:"name"`
	NameEN  string `yaml:"name_en"`
	To      string `yaml:"to"`
	ToEN    string `yaml:"to_en"`
	When    string `yaml:"when"`
	WhenEN  string `yaml:"when_en"`
	// Within is hours after awareness, Months calendar months; with neither the
	// law says "without delay" and names no time.
	Within int `yaml:"within"`
	Months int `yaml:"months"`
	// After names the rule with whose fulfilment this one begins.
	After string        `yaml:"after"`
	Kind  template.Kind `yaml:"kind"` // prepared text that drafts it; may be empty
	Read  string        `yaml:"-"`    // day on which the law was read, 2006-01-02
}

// Say is the rule's name, Recipient to whom it goes, Condition when it applies.
func (r Rule) Say(l i18n.Lang) string { return pick(l, r.Name, r.NameEN) }

// Recipient is to whom the report goes.
func (r Rule) Recipient(l i18n.Lang) string { return pick(l, r.To, r.ToEN) }

// Condition says when the rule applies.
func (r Rule) Condition(l i18n.Lang) string { return pick(l, r.When, r.WhenEN) }

func pick(l i18n.Lang, de, en string) string {
	if l == i18n.EN {
		return en
	}
	return de
}

// Due is the end of the rule's time, counted from awareness; zero when the law
// names none. Months are counted in the town's zone, as people count them: from
// January 31 one month leads to the last day of February.
func (r Rule) Due(aware time.Time, zone *time.Location) time.Time {
	switch {
	case r.Within > 0:
		return aware.Add(time.Duration(r.Within) * time.Hour).UTC()
	case r.Months > 0:
		local := aware.In(zone)
		y, m, d := local.Date()
		last := time.Date(y, m+time.Month(r.Months)+1, 0, 0, 0, 0, 0, zone).Day()
		return time.Date(y, m+time.Month(r.Months), min(d, last), local.Hour(), local.Minute(), local.Second(), 0, zone).UTC()
	default:
		return time.Time{}
	}
}

// loadRules reads the built-in files.
func loadRules(files fs.FS) ([]Rule, error) {
	names, err := fs.Glob(files, "legal/*.yaml")
	if err != nil {
		return nil, fmt.Errorf("review: %w", err)
	}
	var out []Rule
	for _, name := range names {
		raw, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("review: %w", err)
		}
		var f struct {
			Read  string `yaml:"read"`
			Rules []Rule `yaml:"rules"`
		}
		if err := yaml.UnmarshalWithOptions(raw, &f, yaml.Strict()); err != nil {
			return nil, fmt.Errorf("review: %s: %w", name, err)
		}
		country := strings.ToUpper(strings.TrimSuffix(path.Base(name), ".yaml"))
		for _, r := range f.Rules {
			r.Country, r.Read = country, f.Read
			out = append(out, r)
		}
	}
	return out, nil
}

// rulesOf are those of a country, in the order of their file.
func rulesOf(all []Rule, country string) []Rule {
	return slices.DeleteFunc(slices.Clone(all), func(r Rule) bool { return r.Country != country })
}
