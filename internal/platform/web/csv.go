package web

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"strings"
)

// CSV answers a table as a file for spreadsheets: marked as UTF-8, with
// semicolons, and so that no cell is calculated.
func CSV(w http.ResponseWriter, name string, head []string, rows [][]string) error {
	body, err := CSVOf(head, rows)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	w.Header().Set("Cache-Control", "no-store")
	_, err = w.Write(body)
	return err
}

// CSVOf is the content of such a file.
func CSVOf(head []string, rows [][]string) ([]byte, error) {
	var b strings.Builder
	b.WriteString("\uFEFF")
	c := csv.NewWriter(&b)
	c.Comma, c.UseCRLF = ';', true
	for _, row := range append([][]string{head}, rows...) {
		safe := make([]string, len(row))
		for i, s := range row {
			if safe[i] = s; s != "" && strings.ContainsRune("=+-@\t\r\n", rune(s[0])) {
				safe[i] = "'" + s // an apostrophe makes it text
			}
		}
		if err := c.Write(safe); err != nil {
			return nil, fmt.Errorf("web: csv: %w", err)
		}
	}
	c.Flush()
	return []byte(b.String()), c.Error()
}
