"""Notebooks: lessons for each module, and trainings on Colab and Kaggle."""
