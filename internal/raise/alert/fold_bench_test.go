package alert_test

import (
	"fmt"
	"testing"

	"tuermer/internal/platform/storetest"
	"tuermer/internal/raise/alert"
)

// A storm: a thousand sources of fifty services fail within moments. What
// counts is how long the last alert of the storm waits.
func BenchmarkStorm(b *testing.B) {
	sw := storetest.SQLite(b, rooms()...)
	r, w := setup(b, sw)
	for n := 0; b.Loop(); n++ {
		s := firing(fmt.Sprint("prtg:", n), fmt.Sprint("service-", n%50), 1)
		if err := alert.Fold(r, sw.Ctx, s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(w.sent)), "mails")
}
