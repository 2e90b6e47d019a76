echo templates
