package intake

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The API names every format that there is, and the console gives each a name.
func TestAPINamesEveryFormat(t *testing.T) {
	f, _ := reflect.TypeFor[sourceBody]().FieldByName("Format")
	var want []string
	for _, x := range Formats() {
		want = append(want, string(x))
		if formatName(x) == "" {
			t.Errorf("%s has no name", x)
		}
	}
	if got := strings.Split(f.Tag.Get("enum"), ","); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
