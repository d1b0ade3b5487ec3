package monitor

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// TestForms: what is taken apart comes together as it was; equal rests lie in
// memory once, and more different ones than are kept are still right.
func TestForms(t *testing.T) {
	var k forms
	var all []form
	spec := func(i int) Spec {
		return Spec{
			Kind: HTTP, URL: fmt.Sprintf("https://%d.example/", i), Host: fmt.Sprint("h", i), Port: i,
			Interval: Duration(time.Duration(i%(2*maxForms)+1) * time.Second), Headers: map[string]string{"X": "1"},
		}
	}
	for i := range 6 * maxForms {
		all = append(all, k.of(spec(i)))
	}
	for i := range all {
		if got := all[i].whole(); !reflect.DeepEqual(got, spec(i)) {
			t.Fatalf("%d: %+v", i, got)
		}
	}
	if len(k.known) != maxForms {
		t.Errorf("%d kept, want %d", len(k.known), maxForms)
	}
	a, b := k.of(spec(1)), k.of(spec(1))
	if a.spec != b.spec {
		t.Error("equal rests lie in memory twice")
	}
}
