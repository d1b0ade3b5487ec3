package app

import (
	"reflect"
	"slices"
	"testing"

	"tuermer/internal/platform/i18n"
)

// TestReloadSeesEveryKey: a key that somebody adds to the file cannot be forgotten
// by a reload: whatever is set in it, a difference names its section, or it is
// named as one that waits for a start.
func TestReloadSeesEveryKey(t *testing.T) {
	empty := newConf(&Config{}, nil)
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if !f.IsExported() || slices.Contains(atStart, f.Name) {
			continue
		}
		c := &Config{}
		v := reflect.ValueOf(c).Elem().FieldByName(f.Name)
		if v.Kind() == reflect.Slice {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		} else if !fillText(v) {
			t.Fatalf("%s: nothing to set", f.Name)
		}
		d := differences(empty, newConf(c, nil))
		if f.Name == "Town" && len(d) > 0 { // the town's own name is part of what is compared
			continue
		}
		if len(d) != 1 || d[0].Section != snake(f.Name) {
			t.Errorf("%s: %+v", f.Name, d)
		}
	}
	if s := snake("SignIn") + snake("SMTP") + snake("URLs"); s != "sign_insmtpurls" {
		t.Error(s)
	}
}

// fillText sets the first text, number or list within v.
func fillText(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(1)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Struct:
		for _, f := range v.Fields() {
			if f.CanSet() && fillText(f) {
				return true
			}
		}
		return false
	default:
		return false
	}
	return true
}

// TestReloadWords: names are bounded, a secret is never among them.
func TestReloadWords(t *testing.T) {
	c, err := i18n.NewCatalog(Texts()...)
	if err != nil {
		t.Fatal(err)
	}
	was, is := &Config{}, &Config{SMTP: []SMTPConfig{{Name: "eins", Password: "neu"}}}
	was.SMTP = []SMTPConfig{{Name: "eins", Password: "alt"}}
	for _, n := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		is.People = append(is.People, PersonConfig{Email: n + "@x.example"})
	}
	r := Reloaded{Changed: differences(newConf(was, nil), newConf(is, nil)), Restart: []string{"data"}}
	want := []string{
		"smtp: geändert eins",
		"people: neu a@x.example, b@x.example, c@x.example, d@x.example, e@x.example und 2 weitere",
		"data: gilt erst nach Neustart",
	}
	if got := r.In(c, i18n.DE); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
