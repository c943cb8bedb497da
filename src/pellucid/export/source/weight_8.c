    case 8:
        return c->weights[i] < 128 ? c->weights[i] : c->weights[i] - 256;
