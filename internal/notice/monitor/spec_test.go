package monitor

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
)

// Each file in testdata/spec holds specs in YAML behind "# want:" lines that
// name the expected problems; adding a case needs no Go.
func TestNormalizeCases(t *testing.T) {
	files, _ := filepath.Glob("testdata/spec/*.yaml")
	if len(files) == 0 {
		t.Fatal("no cases")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for c := range strings.SplitSeq(string(b), "---\n") {
			head, _, _ := strings.Cut(c, "\n")
			want := strings.TrimSpace(strings.TrimPrefix(head, "# want:"))
			var s Spec
			if err := yaml.UnmarshalWithOptions([]byte(c), &s, yaml.Strict()); err != nil {
				t.Errorf("%s: %v\n%s", f, err, c)
				continue
			}
			n, problems := s.Normalize()
			var got []string
			for _, p := range problems {
				got = append(got, p.Path+" "+strings.TrimPrefix(p.Key, "monitor.problem."))
			}
			if strings.Join(got, ", ") != want {
				t.Errorf("%s: got %q, want %q\n%s", f, strings.Join(got, ", "), want, c)
			}
			if len(problems) > 0 {
				continue
			}
			again, problems := n.Normalize()
			if len(problems) > 0 || !reflect.DeepEqual(n, again) {
				t.Errorf("%s: normal is not stable: %+v %v", f, again, problems)
			}
			enc, err := json.Marshal(n)
			if err != nil {
				t.Fatal(err)
			}
			var back Spec
			if err := json.Unmarshal(enc, &back); err != nil || !reflect.DeepEqual(n, back) {
				t.Errorf("%s: JSON %s came back as %+v (%v)", f, enc, back, err)
			}
		}
	}
}

func TestDefaults(t *testing.T) {
	s := good(t, Spec{URL: "https://portal.example/"})
	if s.Kind != HTTP || s.Interval.D() != time.Minute || s.Timeout.D() != 10*time.Second || s.Confirm != 3 ||
		s.Method != "GET" || len(s.Expect.Status) != 1 || s.Expect.Status[0] != (StatusRange{200, 399}) {
		t.Errorf("%+v", s)
	}
}

func TestRedactedHidesSecrets(t *testing.T) {
	s := Spec{Password: "geheim1", Bearer: "geheim2", Headers: map[string]string{"X-Api-Key": "geheim3", "Accept": "text/html"}}
	b, _ := json.Marshal(s.Redacted())
	if strings.Contains(string(b), "geheim") || !strings.Contains(string(b), "text/html") {
		t.Errorf("%s", b)
	}
	if s.Headers["X-Api-Key"] != "geheim3" {
		t.Error("Redacted changed its receiver")
	}
}

func FuzzSpecJSON(f *testing.F) {
	f.Add([]byte(`{"url":"http://a.example/","interval":"60s","expect":{"status":[200,"3xx"]}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Spec
		if json.Unmarshal(b, &s) != nil {
			return
		}
		n, problems := s.Normalize()
		if len(problems) > 0 {
			return
		}
		if again, p := n.Normalize(); len(p) > 0 || !reflect.DeepEqual(n, again) {
			t.Fatalf("not stable: %+v / %+v %v", n, again, p)
		}
	})
}
