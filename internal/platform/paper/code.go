package paper

import (
	"fmt"
	"strings"

	"github.com/skip2/go-qrcode"
)

// modules are the dark squares of a QR code, with its quiet zone. Medium
// correction survives a fold and a coffee cup.
func modules(url string) ([][]bool, error) {
	q, err := qrcode.New(url, qrcode.Medium)
	if err != nil {
		return nil, fmt.Errorf("paper: QR: %w", err)
	}
	return q.Bitmap(), nil
}

// codePath is the QR code as the path of an SVG whose unit is a square; size is
// the number of squares on a side, zero for what is too long.
func codePath(url string) (path string, size int) {
	bits, err := modules(url)
	if err != nil {
		return "", 0
	}
	var b strings.Builder
	for y, line := range bits {
		for x, dark := range line {
			if dark {
				fmt.Fprintf(&b, "M%d %dh1v1h-1z", x, y)
			}
		}
	}
	return b.String(), len(bits)
}
