package intake

import (
	"fmt"
	"strings"
	"testing"
)

// Whatever place is shown of a body leads a mapping to what is shown with it.
func TestPlacesAreWhereTheMappingLooks(t *testing.T) {
	for body, want := range map[string]string{
		"melder=7&Lage=Alarm+im+Keller":                                            "[{lage Alarm im Keller} {melder 7}]",
		`{"alarm":{"Id":12,"a.b":"x","wer":[{"n":"Ada"},{"n":"Bert"}]},"ok":true}`: `[{alarm.Id 12} {alarm.a\.b x} {alarm.wer [2]} {alarm.wer.0.n Ada} {ok true}]`,
		`[{"id":1},{"id":2}]`:                                                      "[{id 1}]",
		`{"p|q":"x","@this":"y","z":null}`:                                         "[{z }]",
		`{`:                                                                        "[]",
		``:                                                                         "[]",
	} {
		got := Places(Body{Data: []byte(body)}, "")
		if fmt.Sprint(got) != want {
			t.Errorf("%s: %v, want %s", body, got, want)
		}
		for _, p := range got {
			if strings.HasPrefix(p.Value, "[") || p.Value == "" {
				continue
			}
			m := Mapping{Key: p.Path}
			if err := m.Check(); err != nil {
				t.Errorf("%s: %v", p.Path, err)
			}
			rs, err := Parse(Generic, m, Body{Data: []byte(body)}, nil)
			if err != nil || rs[0].Key != p.Value {
				t.Errorf("%s: %s leads to %+v, %v", body, p.Path, rs, err)
			}
		}
	}
	if got := fmt.Sprint(Places(Body{Data: []byte(`{"liste":[{"id":1}]}`)}, "liste")); got != "[{id 1}]" {
		t.Error(got)
	}
	if got := Places(Body{Data: []byte("{" + strings.TrimSuffix(strings.Repeat(`"a":1,`, 500), ",") + "}")}, ""); len(got) != maxPlaces {
		t.Error(len(got))
	}
}
