package app

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// fetchTimeout is how long a visitor would wait for the status page.
const fetchTimeout = 10 * time.Second

// fetch opens an address as a visitor would, and says why it did not come.
func (a *App) fetch(ctx context.Context, url string) error {
	transport := &http.Transport{DialContext: a.o.Dial, DisableKeepAlives: true}
	client := &http.Client{Transport: transport, Timeout: fetchTimeout}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	if err := res.Body.Close(); err != nil {
		return fmt.Errorf("app: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("app: %s answers %s", url, res.Status)
	}
	return nil
}
