package publish

import (
	"strings"
	"time"
	"unicode"

	"tuermer/internal/coordinate/incident"
)

// held tells whether a fact must not be read by the public now (I11): the
// investigators hold it, or its embargo has not passed.
func held(f incident.Fact, now time.Time) bool {
	return f.Hold || now.Before(f.EmbargoUntil)
}

// leaks lists the held facts whose words stand in a public variant. Words are
// compared without case, punctuation and spacing, so that "Die Täter kamen über
// den VPN-Zugang." is found in "die Täter kamen über den VPN Zugang" as well. A
// paraphrase is for the approver to see; this catches what was copied.
func leaks(variants []Variant, facts []incident.Fact, now time.Time) []incident.Fact {
	var out []incident.Fact
	for _, f := range facts {
		if !held(f, now) {
			continue
		}
		want := plain(f.Text)
		if want == "" {
			continue
		}
		for _, v := range variants {
			if v.Public() && (contains(v.Subject, want) || contains(v.Title, want) || contains(v.Body, want)) {
				out = append(out, f)
				break
			}
		}
	}
	return out
}

func contains(text, want string) bool {
	return strings.Contains(" "+plain(text)+" ", " "+want+" ")
}

// plain keeps letters and digits, in lower case, words parted by one blank.
func plain(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	return strings.Join(words, " ")
}
