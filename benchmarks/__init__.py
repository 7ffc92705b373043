"""What the project promises about time, measured. Figures are ratios within one run: machines differ."""
